"""HTTP as api and gateway speak it alike: problem documents, the Host header, bounds. No web framework is used."""
