"""The guarantees of every `aivcs.RunLedger`, as tests."""

from aivcs.testing.runs.adopting import RunAdoptionContract
from aivcs.testing.runs.batches import RunBatchContract
from aivcs.testing.runs.chain import RunChainContract
from aivcs.testing.runs.creating import RunCreationContract
from aivcs.testing.runs.ending import RunEndContract
from aivcs.testing.runs.events import RunEventContract
from aivcs.testing.runs.races import RunRaceContract
from aivcs.testing.runs.reading import RunReadingContract


class RunLedgerContract(
    RunCreationContract,
    RunEventContract,
    RunBatchContract,
    RunEndContract,
    RunReadingContract,
    RunAdoptionContract,
    RunChainContract,
    RunRaceContract,
):
    """The guarantees of a `RunLedger`; subclass it and override `open_store`."""
