"""What went wrong at Kaggle, told from exit code and output of the command.

The command prints the server's message without its status code, so most faults can only be told
by their words. The words below were collected from `kaggle` 2.2.5.
"""

import re
from typing import NamedTuple
from urllib.request import getproxies

from pipeline.data.competition import Competition
from pipeline.errors import UserError
from pipeline.kaggle.command import Output
from pipeline.kaggle.credentials import find_credentials
from pipeline.kaggle.hiding import scrub


class KaggleFault(UserError):
    """A call of the `kaggle` command failed.

    Attributes:
        refused: Kaggle said no, or was never asked: nothing has happened there. False if it may
            have done what it was asked to, although no answer came.
    """

    def __init__(self, sentence: str, *, refused: bool) -> None:
        super().__init__(sentence)
        self.refused = refused


class _Rule(NamedTuple):
    """A fault: the words that give it away, the sentence for it, and whether it is a refusal."""

    words: str
    sentence: str
    refused: bool = True


_RULES = (
    _Rule(
        r"authentication required to call the kaggle api|\b401 client error|unauthenticated",
        "Kaggle does not accept the credentials in {credentials}; make new ones at "
        "https://www.kaggle.com/settings/api (a stale token hides valid credentials elsewhere).",
    ),
    _Rule(
        "could not submit to competition",
        "Kaggle's storage did not take the upload; run the same command again.",
    ),
    _Rule(
        r"expecting value: line \d|<!doctype|<html",
        "a web page came back in place of Kaggle's answer, probably from a proxy or from the "
        "sign-in page of this network; open https://www.kaggle.com in a browser, then run the "
        "same command again.",
        refused=False,
    ),
    _Rule(
        r"certificate_verify_failed\] certificate verify failed: (?P<why>[^('\n]+\b)",
        "the certificate that came as Kaggle's is not trusted ({why}), probably because a proxy "
        "puts its own in the place of it; save your company's root certificate as a PEM file and "
        "set REQUESTS_CA_BUNDLE to its path, then run the same command again.",
    ),
    _Rule(
        "tls ca certificate bundle",
        "the file of certificates is not where REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE says ({said}); "
        "correct or unset that variable, then run the same command again.",
    ),
    _Rule(
        "407 proxy authentication|407 client error",
        "the proxy {proxy} wants a user name and password, or others than it got (407); set "
        "HTTPS_PROXY=http://user:password@host:port, then run the same command again.",
    ),
    _Rule(
        "check proxy url|for socks support",
        "the proxy {proxy} cannot be used ({said}); set HTTPS_PROXY=http://host:port, then run the "
        "same command again.",
    ),
    _Rule(
        r"failed to resolve '(?P<name>[^']+)' \((?:\[errno \S+\] )?(?P<why>[^)\n]+)",
        "there is no host {name} to be found ({why}); check {network} and run the same command "
        "again.",
        refused=False,
    ),
    _Rule(
        r"max retries exceeded|connection ?(refused|aborted|reset|error|broken)|remotedisconnected|"
        r"incompleteread|timed out|network is unreachable",
        "the connection to Kaggle could not be made or broke off ({reason}); check {network} and "
        "run the same command again.",
        refused=False,
    ),
    _Rule(
        r"\b429 client error|too many requests|rate.?limit",
        "Kaggle takes no more requests from you for the moment (429: {said}); wait some minutes, "
        "then run the same command again.",
    ),
    _Rule(
        r"\b5\d\d server error|problem on kaggle's side|internal (server )?error|"
        "service unavailable",
        "Kaggle itself has a fault just now ({said}); run the same command again later.",
        refused=False,
    ),
    _Rule(
        r"\b404 client error|competition not found|could not find competition",
        "Kaggle knows no competition {slug} ({said}); see whether {url} opens in a browser.",
    ),
    _Rule(
        r"\bphone\b|\b(account|identity) verification|\bverify your",
        "Kaggle wants your account verified first; open https://www.kaggle.com/settings and do "
        "so, then run the same command again (it said: {said}).",
    ),
    _Rule(
        r"\brules\b|permission 'competitions\.|"
        r"\b403 client error: forbidden for url: \S*competitionapiservice",
        "Kaggle lets you take part only after you have accepted the rules; open {url}/rules, "
        "accept them, then run the same command again (it said: {said}).",
    ),
    _Rule(
        r"(daily|per day|today).*(limit|submission)|(limit|submission).*(daily|per day|today)|"
        "submission limit|maximum number of submissions",
        "you have no submission left today ({said}); run the same command again after midnight "
        "UTC.",
    ),
    _Rule(
        "no space left on device",
        "the disk is full; make room, then run the same command again.",
        refused=False,
    ),
    _Rule(
        "traceback",
        "the kaggle command failed ({all_said}); run the same command again, or install another "
        "version of it.",
        refused=False,
    ),
    _Rule("", 'Kaggle refused with the words "{all_said}"; see {url}.'),
)

_REASONS = (
    "connection refused",
    "network is unreachable",
    "timed out",
    "remote end closed connection",
    "connection reset",
    "broken",
)


def fault_of(output: Output, competition: Competition) -> KaggleFault:
    """Return the fault that a failed command's output tells of."""
    said = _said(output)
    # 2.2.5 adds a hint of its own below the server's message; for every 403 it is about rules.
    hints = output.stderr.replace("you may need to accept its rules first", "")
    hints = re.sub(r"https://\S+/rules", "", hints)
    text = f"{said}\n{output.stdout}\n{hints}".lower()
    reason = next((reason for reason in _REASONS if reason in text), "no answer")
    proxy = _proxy()
    network = f"the network and the proxy {proxy}" if "proxyerror" in text else "the network"
    rule, found = next((rule, m) for rule in _RULES if (m := re.search(rule.words, text)))
    sentence = rule.sentence.format(
        **found.groupdict(),
        proxy=proxy,
        network=network,
        said=_short(re.sub(r"^[\w.]+Error: | for url: \S+", "", said)),
        all_said=_short(said),
        reason=reason,
        slug=competition.slug,
        url=competition.url,
        credentials=find_credentials() or "your settings",
    )
    return KaggleFault(sentence, refused=rule.refused)


def _proxy() -> str:
    """The proxy that the command asks, from the environment or the system, without its password."""
    proxies = getproxies()
    return scrub(proxies.get("https") or proxies.get("all") or proxies.get("http") or "", [])


def _said(output: Output) -> str:
    """The server's message, or the last line of a traceback, in one line."""
    text = output.stderr.strip() or output.stdout.strip() or f"exit code {output.code}"
    if "Traceback (most recent call last)" in text:
        return text.splitlines()[-1]
    return " ".join(text.split("\n\n")[0].split())


def _short(said: str) -> str:
    return said if len(said) <= 300 else said[:299] + "…"
