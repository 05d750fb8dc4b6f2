"""The parts of the bucket (contract/identity.py): where a job's objects go, which ones a principal sees."""

from vidferry_api.access.principal import Principal
from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_api.settings import ObjectSharing
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.identity import credential_partition, partition_of


def partition_for(owner: str, credential: str, services: Services) -> str:
    """The part for the jobs of an owner that are done with that credential; empty: the one that all share."""
    sole_owner = owner if services.settings.share_objects is ObjectSharing.OWNER else ""
    return credential_partition(credential, sole_owner) if credential else partition_of(sole_owner)


def check_credential(credential: str, owner: str, services: Services) -> None:
    """Raises Problem if an owner may not use the credential. It is the same where there is none of that name."""
    if credential and not services.authenticator.may_use_credential(credential, owner):
        raise Problem(
            ProblemCode.FORBIDDEN,
            "You may not use this credential, or there is none of that name. Leave `credential` out, or ask the "
            "operator for it.",
        )


def sees_partition(principal: Principal, partition: str, services: Services) -> bool:
    """Whether the objects of a part exist for the principal."""
    if principal.all_owners:
        return True
    if not partition:
        return services.settings.share_objects is ObjectSharing.ALL
    owner = principal.owner
    names = services.authenticator.credentials_of(owner)
    return partition == partition_of(owner) or partition in {partition_for(owner, each, services) for each in names}
