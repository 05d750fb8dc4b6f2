"""What a sentence of yt-dlp's extractors means, as an error code: the rules, in their order.

An extractor passes on its site's sentence, or has one of its own. Only the sentence itself is read: no id and no URL of
the video, which may be named anything, and nothing in quotation marks, where a title may stand.
"""

import re
from dataclasses import dataclass

from vidferry_common.contract.errors import ErrorCode

MAX_READ = 1000
"""characters of a sentence"""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, the code of the sentences that it finds, and the reason for it or for its place."""

    code: ErrorCode
    pattern: re.Pattern[str]
    reason: str
    sites: tuple[str, ...] = ()
    """how the names of the extractors begin whose sentences it is for, in lower case; empty: of all"""


def _rule(code: ErrorCode, pattern: str, reason: str, *sites: str) -> Rule:
    return Rule(code, re.compile(pattern), reason, sites)


_STATED: tuple[Rule, ...] = (
    # Sentences that name two causes.
    _rule(ErrorCode.UNAVAILABLE, r"deleted or geo-restricted", "the answer is a 404", "bilibili"),
    _rule(
        ErrorCode.LOGIN_REQUIRED,
        r"sent an empty media response",
        "as a rule the post needs an account; yt-dlp names a bug of its own second",
        "instagram",
    ),
    _rule(ErrorCode.MEMBERS_ONLY, r"do not have access to this post", "a post for paying members", "patreon"),
    # yt-dlp's own.
    _rule(ErrorCode.FORMAT_UNAVAILABLE, r"^requested format is not available", "of the core, not of an extractor"),
    _rule(ErrorCode.DRM, r"\bdrm\b", "report_drm(), and sites that yt-dlp refuses"),
    # The site doubts this service. Before what speaks of signing in, which is the cure that these sites offer.
    _rule(
        ErrorCode.BOT_CHECK,
        r"not a (ro)?bot\b|suspected as a bot|ip is likely being blocked|client challenge|are (a )?human\b",
        "waiting helps, or cookies",
    ),
    _rule(ErrorCode.CAPTCHA, r"captcha", "nobody is there to solve it"),
    _rule(
        ErrorCode.SESSION_LIMITED,
        r"(session|account) has been rate.?limited|rate.?limit for accessing \w+ anonymously"
        r"|content is ?n.t available, try again later",
        "before rate_limited, of which it is the longer kind",
    ),
    _rule(
        ErrorCode.RATE_LIMITED,
        r"rate.?limit|too many requests|please wait and try later|request is (blocked|rejected) by server",
        "before what is unavailable or refused, since it passes",
    ),
    # Why this service may not watch it, the narrower reason first.
    _rule(
        ErrorCode.PASSWORD_REQUIRED,
        r"pass(word|code).?protected|protected by a pass(word|code)|--video-password"
        r"|^(wrong|invalid|incorrect) (video )?password",
        "of the video; an account's password is a matter of signing in",
    ),
    _rule(
        ErrorCode.GEO_BLOCKED,
        r"(in|from) (your|this) (country|region|location|area)\b|geo.?(block|restrict)|available in \w+ only"
        r"|所在的?(地区|区域)|地区(限制|不)|в вашем регионе|お住まいの地域",
        "before copyright: what is blocked in one country may be watched from another",
    ),
    _rule(
        ErrorCode.COPYRIGHT,
        r"copyright|rightholder|\bdmca\b|правообладател|著作権|版权",
        "before private and removed: the sentence goes on with the name of whoever claims it",
    ),
    _rule(
        ErrorCode.PREMIUM_ONLY,
        r"premium|requires? (payment|a subscription)|purchas|\bpaid\b|pay for it|not free|tv providers|cable service"
        r"|大会员|有料"
        r"|subscription needed|appropriate subscription|not subscribed",
        "before members_only, for `Premium members`",
    ),
    _rule(
        ErrorCode.MEMBERS_ONLY,
        r"(members?|subscribers?|supporters?).only|channel.?s members|channel subscription|join this channel"
        r"|(for|to) ([a-z]+ )?(members|subscribers)\b|会員限定",
        "of a channel",
    ),
    _rule(
        ErrorCode.PREMIUM_ONLY,
        r"(account|you) do(es)? not have (access|tickets)",
        "after members_only, of which twitch says the same",
    ),
    _rule(
        ErrorCode.AGE_RESTRICTED,
        r"confirm your age|\bage[- ](restrict|verif|gate)|inappropriate|for some audiences|\bnsfw\b|sensitive content"
        r"|adult verification|older than \d|年齢",
        "before login_required, by which many sites ask for it",
    ),
    _rule(
        ErrorCode.PRIVATE,
        r"\bprivate (video|account|post|playlist|favorites|subreddit|track|stream)|\b(is|are|either) private\b"
        r"|protected tweet|not authorized to view|permission to view|limits who can view|who follow this account"
        r"|hidden by its owner|приватн|非公開",
        "only an owner can cure it",
    ),
    _rule(
        ErrorCode.NOT_YET_AVAILABLE,
        r"premieres? (in|will|begins)|will (begin|start) |\b(not|n.t) (yet |been )?(started|begun)|not (been )?(made )?"
        r"(yet )?available (yet|to anyone)|not yet available|is scheduled|scheduled (to|for)|is processing"
        r"|will be available|processing this video|uploading or processing|not downloadable yet|available after \d",
        "before live, which most of these become",
    ),
    _rule(
        ErrorCode.LIVE,
        r"\bnot (currently )?live\b|is (currently )?live\b|(live ?stream|live|event) has ended|(is|now) offline"
        r"|private show",
        "there is no recording at this URL",
    ),
    _rule(
        ErrorCode.REMOVED,
        r"(been|was|were) (removed|deleted|taken down|terminated|suspended)|suspended account"
        r"|no longer (available|exist)|(?<!token )(?<!token has )(?<!token is already )expired(?! token)"
        r"|(author|owner|uploader|account) has been blocked|удален|削除|已删除|稿件不可见",
        "before unavailable, which says less",
    ),
    _rule(
        ErrorCode.LOGIN_REQUIRED,
        r"--cookies|--username|\b(log|sign)(ged)?[ -]?in(to)?\b|registered users|authenticat|cookies \(not"
        r"|your cookies|token has expired|\busername\b|请.{0,4}登录",
        "raise_login_required() adds how to give yt-dlp an account",
    ),
)
"""rules for every sentence: they find what a site states"""

_VAGUE: tuple[Rule, ...] = (
    _rule(
        ErrorCode.REFUSED,
        r"blocked from accessing|unable to access|fingerprint|impersonat|anti-bot|access (denied|to this webpage)"
        r"|other websites|is restricted|forbidden",
        "of this service, or of any",
    ),
    _rule(
        ErrorCode.UNSUPPORTED_SITE,
        r"\bno (video|media|supported media|sources?)\b|not (a|an) (video|media)|any video|a video or audio"
        r"|not contain a video|unsupported",
        "the page has no video",
    ),
    _rule(
        ErrorCode.EXTRACTOR_OUTDATED,
        r"page needs to be reloaded|no working app info",
        "what the site answers to a client that it no longer serves",
    ),
    _rule(
        ErrorCode.ORIGIN_ERROR,
        r"temporar|incomplete (yt |initial )*data|try again|maintenance|(server|internal).{0,8} error",
        "before unavailable, since it passes",
    ),
    _rule(
        ErrorCode.UNAVAILABLE,
        r"unavailable|(not|n.t) available|n.t exist|not exist|not (be |been )?(found|archived)|deleted|is locked"
        r"|啥都木有|不存在",
        "nothing above says why",
    ),
)
"""rules for sentences of errors that yt-dlp expects: they say too little to overrule its word that it is a bug"""

_NOT_OF_THE_SENTENCE = re.compile(r"https?://\S+|(?<!said: )\"[^\"]*\"|“[^”]*”|«[^»]*»")
_APOSTROPHES = str.maketrans("’ʼ`", "'''")


def code_of_sentence(sentence: str, extractor: str, *, is_expected: bool) -> ErrorCode | None:
    """The code of a sentence that an extractor raised; None where no rule finds it.

    extractor: its name, in lower case. is_expected: False where yt-dlp takes the error for a bug of its own.
    """
    text = _NOT_OF_THE_SENTENCE.sub(" ", sentence[:MAX_READ]).translate(_APOSTROPHES).lower()
    for rule in (*_STATED, *_VAGUE) if is_expected else _STATED:
        if (not rule.sites or extractor.startswith(rule.sites)) and rule.pattern.search(text):
            return rule.code
    return None
