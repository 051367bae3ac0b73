"""The reasons that sentences name, in Malagasy and French: those of the operating system, of SQLite, and of the log.

They come as English texts, at times inside longer ones (`[Errno 28] No space left on device: '/srv/log'`); what is not
known here stays as it came.
"""

from __future__ import annotations

import errno
import os
import re
from functools import lru_cache

#: Errors of the operating system by number -> Malagasy, French. Its own English text is what is replaced.
_SYSTEM: dict[int, tuple[str, str]] = {
    errno.ECONNREFUSED: ("tsy misy mandray ny fifandraisana", "connexion refusée"),
    errno.ECONNRESET: ("notapahin'ny ilany ny fifandraisana", "connexion coupée par l'autre côté"),
    errno.EPIPE: ("tapaka ny fifandraisana", "connexion coupée"),
    errno.ETIMEDOUT: ("tapitra ny fe-potoana", "délai dépassé"),
    errno.EHOSTUNREACH: ("tsy tratra ilay milina", "machine injoignable"),
    errno.ENETUNREACH: ("tsy tratra ilay tambajotra", "réseau injoignable"),
    errno.EADDRINUSE: ("efa misy mampiasa io toerana io", "adresse déjà utilisée"),
    errno.EADDRNOTAVAIL: ("tsy an'ity milina ity io toerana io", "cette machine n'a pas cette adresse"),
    errno.ENOENT: ("tsy misy io rakitra na lahatahiry io", "fichier ou dossier inexistant"),
    errno.EISDIR: ("lahatahiry izy io", "c'est un dossier"),
    errno.ENOTDIR: ("tsy lahatahiry izy io", "ce n'est pas un dossier"),
    errno.EACCES: ("tsy manana alalana", "accès refusé"),
    errno.EPERM: ("tsy manana alalana", "opération non permise"),
    errno.EROFS: ("vakina fotsiny io kapila io", "disque en lecture seule"),
    errno.ENOSPC: ("feno ny kapila", "disque plein"),
    errno.EDQUOT: ("feno ny anjara kapila", "quota de disque atteint"),
    errno.EIO: ("tsy nety ny kapila", "erreur du disque"),
    errno.EMFILE: ("be loatra ny rakitra misokatra", "trop de fichiers ouverts"),
    errno.EEXIST: ("efa misy io rakitra io", "le fichier existe déjà"),
    errno.ENAMETOOLONG: ("lava loatra ny anarana", "nom trop long"),
    errno.ENOMEM: ("tsy ampy ny fitadidiana", "mémoire insuffisante"),
}

#: Texts of others and our own -> Malagasy, French.
_TEXTS: dict[str, tuple[str, str]] = {
    "timed out": ("tapitra ny fe-potoana", "délai dépassé"),
    "Name or service not known": ("tsy misy milina manana io anarana io", "aucune machine n'a ce nom"),
    "No address associated with hostname": ("tsy misy milina manana io anarana io", "aucune machine n'a ce nom"),
    "Temporary failure in name resolution": ("tsy hita aloha ilay anaran'ny milina", "nom de machine introuvable"),
    "database or disk is full": ("feno ny kapila", "disque plein"),
    "disk I/O error": ("tsy nety ny kapila", "erreur du disque"),
    "unable to open database file": ("tsy azo sokafana ny rakitra", "impossible d'ouvrir le fichier"),
    "database disk image is malformed": ("simba ny rakitra", "fichier abîmé"),
    "file is not a database": ("tsy rakitry ny tahiry izy io", "ce n'est pas le fichier d'une base"),
    "database is locked": ("ampiasain'ny programa hafa ny rakitra", "fichier utilisé par un autre programme"),
    "attempt to write a readonly database": ("vakina fotsiny ny rakitra", "fichier en lecture seule"),
    "out of memory": ("tsy ampy ny fitadidiana", "mémoire insuffisante"),
    "no log is hosted here": ("tsy misy diary eto", "aucun journal n'est tenu ici"),
    "the journal is being opened again": ("eo am-panokafana indray ny diary", "le journal est en cours de réouverture"),
    "an entry has that place": ("efa misy fanoratana eo amin'io laharana io", "une écriture a déjà cette place"),
    "the database was dropped": ("efa noravana ny tahiry", "la base a été supprimée"),
    "another is on its way": ("misy iray hafa eo am-pandefasana", "un autre est en cours d'envoi"),
    "its history is not this log's": ("tsy an'ity diary ity ny tantarany", "son histoire est celle d'un autre journal"),
    "its bytes do not match its chain hash": (
        "tsy mifanaraka amin'ny hash-ny ny ao anatiny",
        "son contenu ne correspond pas à son empreinte",
    ),
    "it is not in the journal": ("tsy ao amin'ny diary izy", "il n'est pas dans le journal"),
    "checksum differs": ("tsy mitovy ny checksum", "somme de contrôle différente"),
}

#: Texts with numbers in them.
_PATTERNS: dict[str, tuple[str, str]] = {
    r"entry (\d+) of log (\d+) is not in the journal": (
        r"tsy ao amin'ny diary \2 ny laharana \1",
        r"l'entrée \1 du journal \2 n'y est pas",
    ),
    r"the log is at index (\d+)": (r"ao amin'ny laharana \1 ny diary", r"le journal est à l'entrée \1"),
    r"the log holds one at index (\d+)": (
        r"efa manana iray ao amin'ny laharana \1 ny diary",
        r"le journal en a déjà un à l'entrée \1",
    ),
    r"no room for more than (\d+) databases ever made": (
        r"tahiry \1 no fetran'izay azo noforonina hatramin'izay",
        r"pas plus de \1 bases en tout depuis le début",
    ),
    r"\[Errno \d+\] ": ("", ""),
}


@lru_cache(maxsize=1)
def _table() -> tuple[re.Pattern[str], dict[str, tuple[str, str]]]:
    all_texts = {os.strerror(number): texts for number, texts in _SYSTEM.items()} | _TEXTS
    # The longest first, so that no text is taken for a shorter one that it begins with.
    alternatives = "|".join(re.escape(text) for text in sorted(all_texts, key=len, reverse=True))
    return re.compile(alternatives), all_texts


def reason_in(language: str, text: str) -> str:
    """A reason in `language`, as far as it is known; as it came in English."""
    if language == "en":
        return text
    which = 1 if language == "fr" else 0
    reasons, texts = _table()
    for pattern, translations in _PATTERNS.items():
        text = re.sub(pattern, translations[which], text)
    return reasons.sub(lambda each: texts[each[0]][which], text)
