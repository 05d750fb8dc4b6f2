"""What Vidferry's services share: the contract, Redis, the bucket, logging and settings."""
