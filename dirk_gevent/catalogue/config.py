"""The sentences that belong to the program as a whole."""

from __future__ import annotations

from dirk_gevent.catalogue import Texts

MESSAGES: dict[str, Texts] = {
    "internal": Texts(
        mg="hadisoana anatiny tao amin'ny DirkDB[[ : {detail}]]; jereo ny diarin'ny mpizara",
        fr="erreur interne de DirkDB[[ : {detail}]] ; voir le journal du serveur",
        en="internal error of DirkDB[[: {detail}]]; see the server's log",
    ),
}
