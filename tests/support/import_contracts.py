"""A kind of contract that import-linter does not have: a package imports itself, what it names, and Python's own."""

import sys
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """The modules of some packages import only those packages, the allowed ones and the standard library."""

    type_name = "only"

    modules = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's signature
        packages: Any = self.modules
        may_be_imported = (*packages, *self.allowed)  # type: ignore[misc]
        found = [
            (importer, imported)
            for package in packages
            for importer in sorted({package, *graph.find_descendants(package)})
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not _is_within(imported, may_be_imported) and imported.partition(".")[0] not in sys.stdlib_module_names
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["found"]:
            output.print_error(f"{importer} imports {imported}")


def _is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
