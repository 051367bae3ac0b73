"""The sentences of transactions."""

from __future__ import annotations

from dirk_gevent.catalogue import Texts

MESSAGES: dict[str, Texts] = {
    "serialization_conflict": Texts(
        mg="niova ny tabilao {table} hatramin'ny nanombohan'ny asa ; avereno ilay asa",
        fr="la table {table} a changé depuis le début de la transaction ; recommencez-la",
        en="table {table} has changed since the transaction began; run it again",
    ),
    "definitions_changed": Texts(
        mg="niova ny famaritana ao amin'ny tahiry hatramin'ny nanombohan'ny asa ; avereno ilay asa",
        fr="les définitions de la base ont changé depuis le début de la transaction ; recommencez-la",
        en="the definitions of the database have changed since the transaction began; run it again",
    ),
    "transaction_lost": Texts(
        mg="very ny asa[[ niaraka tamin'ny mpizara {node}]] ; tsy nisy voatahiry, avereno ilay asa",
        fr="la transaction est perdue[[ avec le serveur {node}]] ; rien n'a été gardé, recommencez-la",
        en="the transaction is lost[[ with node {node}]]; nothing of it was kept, run it again",
    ),
    "transaction_open": Texts(
        mg="efa misy asa nanomboka ; tehirizo na avereno aloha izy",
        fr="une transaction est déjà ouverte ; terminez-la d'abord par tehirizo ou avereno",
        en="a transaction is open already; end it first with tehirizo or avereno",
    ),
    "refused_in_transaction": Texts(
        mg="tsy azo atao anatin'ny asa ny {what} ; tehirizo na avereno aloha ilay asa",
        fr="{what} est refusé dans une transaction ; terminez-la d'abord par tehirizo ou avereno",
        en="{what} is refused inside a transaction; end it first with tehirizo or avereno",
    ),
    "no_transaction": Texts(
        mg="tsy misy asa nanomboka ; atombohy aloha",
        fr="aucune transaction n'est ouverte ; commencez par atombohy",
        en="no transaction is open; atombohy begins one",
    ),
    "transaction_aborted": Texts(
        mg="tapaka ny asa ; avereno aloha izy (avereno) vao azo atao izay hafa",
        fr="la transaction est abandonnée ; terminez-la par avereno avant toute autre instruction",
        en="the transaction is aborted; end it with avereno before anything else",
    ),
    "transaction_idle": Texts(
        mg="tapaka ny asa satria tsy nisy natao nandritra ny {seconds} segondra ; tsy nisy voatahiry",
        fr="la transaction a été abandonnée après {seconds} secondes sans instruction ; rien n'a été gardé",
        en="the transaction was aborted after {seconds} seconds without a statement; nothing of it was kept",
    ),
    "transaction_too_large": Texts(
        mg="lehibe loatra ny asa : fanovana {statements} na {limit_bytes} oktety no fetra",
        fr="la transaction est trop grande : {statements} changements ou {limit_bytes} octets au plus",
        en="the transaction is too large: {statements} changes or {limit_bytes} bytes at most",
    ),
    "transactions_full": Texts(
        mg="feno ny fitadidian'ny mpizara ho an'ny asa misokatra ; andramo indray rehefa misy vita",
        fr="le serveur n'a plus de mémoire pour les transactions ouvertes ; réessayez quand d'autres ont fini",
        en="the node has no memory left for open transactions; try again when others have ended",
    ),
    "transaction_steps": Texts(
        mg="nihoatra ny fetran'ny asa ny baiko miaraka amin'ireo fanovana nialoha azy ; nesorina ilay baiko",
        fr="l'instruction, avec les changements qui la précèdent, a dépassé sa limite de travail ; elle est annulée",
        en="the statement, with the changes before it, passed its limit of work; it was undone",
    ),
}
