"""One look, from its order to the end of its child."""

import contextlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import site_of
from vidferry_common.store import Refusal
from vidferry_worker.attempt.bounds import extraction_limits, pacing_of
from vidferry_worker.attempt.failures import find_failure, may_be_out_of_memory
from vidferry_worker.children.child import ChildEnded
from vidferry_worker.children.protocol import LookOrder, Report
from vidferry_worker.children.session import ChildSession
from vidferry_worker.context import WorkerContext
from vidferry_worker.retry import until_redis_answers


async def look_at(context: WorkerContext, order: LookOrder, credential: str = "") -> AsyncGenerator[Report]:
    """What a new child reports, which has the cookies of its site, or of the credential.

    Raises JobFailure if it fails, ends, or takes longer than an extraction may, or if the credential has no cookies.

    Close the iterator (contextlib.aclosing): that ends the child, and removes its files.
    """
    settings, memory = context.settings, context.memory_cgroup
    loan = context.cookies.lend(order.url, credential)
    rule = context.sites.rules.of(site_of(order.url))
    order = replace(
        order,
        cookies=loan.cookies,
        pacing=pacing_of(settings, rule),
        user_agent=rule.sent_user_agent,
        impersonate=rule.impersonate or "",
    )
    kills = memory.count_oom_kills()
    # The child can read the folder's name, and must not learn the job's id: links that end as the job's get tickets.
    name = f"look-{secrets.token_hex(8)}"
    try:
        zygote = await context.zygotes.started()
        async with zygote.open_folder(name) as folder:
            child = await zygote.fork(folder, rule.dial)
            session = ChildSession(child, extraction_limits(settings, rule))
            try:
                with loan.blame_refusals():
                    async with contextlib.aclosing(session.look(order)) as reports:
                        async for report in reports:
                            yield report
            except (ChildEnded, JobFailure) as error:
                if isinstance(error, JobFailure) and error.code.parks_site:
                    refusal = Refusal(error.code, order.url, rule.way, error.retry_after or 0)
                    await until_redis_answers(
                        partial(context.store.pauses.refuse_look, refusal, settings.pause_rule, credential)
                    )
                if may_be_out_of_memory(error) and memory.count_oom_kills() > kills:
                    raise JobFailure(ErrorCode.OUT_OF_MEMORY, "the kernel ended processes") from error
                raise
            finally:
                await child.close()
    except TimeoutError as error:
        raise JobFailure(ErrorCode.TIMED_OUT, "the look took too long") from error
    except (ChildEnded, OSError) as error:
        raise find_failure(error) or JobFailure(ErrorCode.INTERNAL, f"{type(error).__name__}: {error}") from error
