"""The sentences of transactions."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

MESSAGES: dict[str, Texts] = {
    "serialization_conflict": Texts(
        mg="niova ny tabilao {table} taorian'ny nanombohan'ny asa ka nofoanana ilay asa ; ataovy indray izy manontolo",
        fr="la table {table} a changé depuis le début de la transaction, qui est annulée ; recommencez-la en entier",
        en="table {table} has changed since the transaction began, which was undone; run all of it again",
    ),
    "definitions_changed": Texts(
        mg="niova ny famaritana ao amin'ny tahiry taorian'ny nanombohan'ny asa ka nofoanana ilay asa ; ataovy indray "
        "izy manontolo",
        fr="les définitions de la base ont changé depuis le début de la transaction, qui est annulée ; recommencez-la "
        "en entier",
        en="the definitions of the database have changed since the transaction began, which was undone; run all of it "
        "again",
    ),
    "transaction_lost": Texts(
        mg="very ny asa[[ niaraka tamin'ny mpizara {node}]] ; tsy nisy voatahiry, ataovy indray izy manontolo",
        fr="la transaction est perdue[[ avec le nœud {node}]] ; rien n'a été enregistré, recommencez-la en entier",
        en="the transaction is lost[[ with node {node}]]; none of it was kept, run all of it again",
    ),
    "transaction_open": Texts(
        mg="efa misy asa nanomboka ; farano amin'ny « tehirizo » na « avereno » aloha izy",
        fr="une transaction est déjà ouverte ; terminez-la d'abord par COMMIT (tehirizo) ou ROLLBACK (avereno)",
        en="a transaction is already open; end it first with COMMIT (tehirizo) or ROLLBACK (avereno)",
    ),
    "refused_in_transaction": Texts(
        mg="tsy azo atao anatin'ny asa ny {what} ; farano amin'ny « tehirizo » na « avereno » aloha ilay asa",
        fr="{what} est refusé dans une transaction ; terminez-la d'abord par COMMIT (tehirizo) ou ROLLBACK (avereno)",
        en="{what} is refused inside a transaction; end it first with COMMIT (tehirizo) or ROLLBACK (avereno)",
    ),
    "no_transaction": Texts(
        mg="tsy misy asa nanomboka ; « atombohy » no manomboka iray",
        fr="aucune transaction n'est ouverte ; BEGIN (atombohy) en ouvre une",
        en="no transaction is open; BEGIN (atombohy) starts one",
    ),
    "transaction_aborted": Texts(
        mg="tapaka ny asa ; farano amin'ny « avereno » aloha izy vao azo atao izay hafa",
        fr="la transaction est abandonnée ; terminez-la par ROLLBACK (avereno) avant toute autre instruction",
        en="the transaction is aborted; end it with ROLLBACK (avereno) before anything else",
    ),
    "transaction_idle": Texts(
        mg="tapaka ny asa satria tsy nisy natao nandritra ny {seconds} segondra ; tsy nisy voatahiry",
        fr="la transaction a été abandonnée après {seconds} secondes sans instruction ; rien n'a été enregistré",
        en="the transaction was aborted after {seconds} seconds without a statement; none of it was kept",
    ),
    "transaction_too_large": Texts(
        mg="lehibe loatra ny asa : fanovana {statements} na octet {limit_bytes} no fetra",
        fr="la transaction est trop grande : {statements} changements ou {limit_bytes} octets au plus",
        en="the transaction is too large: {statements} changes or {limit_bytes} bytes at most",
    ),
    "transactions_full": Texts(
        mg="feno ny fitadidian'ny mpizara ho an'ny asa mbola tsy vita ; andramo indray rehefa misy vita",
        fr="le nœud n'a plus de mémoire pour les transactions ouvertes ; réessayez quand d'autres ont fini",
        en="the node has no memory left for open transactions; try again when others have ended",
    ),
    "transaction_steps": Texts(
        mg="nihoatra ny fetran'ny dingana ny baiko miaraka amin'ireo fanovana nialoha azy ; nofoanana ny vokatr'ilay "
        "baiko",
        fr="l'instruction, avec les changements qui la précèdent, a dépassé le nombre d'étapes permis ; elle est "
        "annulée",
        en="the statement, with the changes before it, exceeded its work limit; it was undone",
    ),
}
