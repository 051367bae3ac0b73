"""The sentences of the log area."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

MESSAGES: dict[str, Texts] = {
    "request_id_invalid": Texts(
        mg="tsy mety ny laharan'ny fangatahana {request_id} : tokony ho <ms Unix>-<64 bit kisendrasendra>",
        fr="l'identifiant de requête {request_id} n'est pas valable : il faut <ms Unix>-<64 bits aléatoires>",
        en="request id {request_id} is not valid: it must be <Unix ms>-<64 random bits>",
    ),
    "request_id_expired": Texts(
        mg="efa ela loatra ny laharan'ny fangatahana {request_id} : tamin'ny {dated}, fa {log_time} no lazain'ny "
        "famantaranandron'ny diary (12 ora no fetra) ; jereo ny famantaranandron'io milina io",
        fr="l'identifiant de requête {request_id} est trop ancien : il est daté du {dated}, l'horloge du journal dit "
        "{log_time} (12 heures au plus) ; l'horloge de cette machine est-elle juste ?",
        en="request id {request_id} is too old: it is dated {dated}, and the log's clock says {log_time} (12 hours at "
        "most); is this machine's clock right?",
    ),
    "request_id_ahead": Texts(
        mg="mbola ho avy ny fotoan'ny laharan'ny fangatahana {request_id} : {dated}, fa {log_time} no lazain'ny "
        "famantaranandron'ny diary (12 ora no fetra) ; jereo ny famantaranandron'io milina io",
        fr="l'identifiant de requête {request_id} est en avance : il est daté du {dated}, et l'horloge du journal dit "
        "{log_time} (12 heures au plus) ; l'horloge de cette machine est-elle juste ?",
        en="request id {request_id} is dated ahead: {dated}, and the log's clock says {log_time} (12 hours at most); "
        "is this machine's clock right?",
    ),
    "request_id_reused": Texts(
        mg="efa nampiasain'ny fangatahana hafa ny laharana {request_id}",
        fr="l'identifiant {request_id} a déjà servi à une autre requête",
        en="request id {request_id} belongs to another request",
    ),
    "not_loggable": Texts(
        mg="misy sanda tsy azo soratana ao amin'ny diary : {reason}",
        fr="une valeur ne peut pas être écrite dans le journal : {reason}",
        en="a value cannot be written to the log: {reason}",
    ),
    "log_closed": Texts(
        mg="mikatona ny diary ; andramo indray rehefa avy eo",
        fr="le journal se ferme ; réessayez plus tard",
        en="the log is closing; try again later",
    ),
    "log_unavailable": Texts(
        mg="tsy azo ampiasaina aloha ny diary : {reason}",
        fr="le journal n'est pas utilisable pour le moment : {reason}",
        en="the log cannot be used now: {reason}",
    ),
    "log_locked": Texts(
        mg="efa ampiasain'ny programa hafa[[ (laharana {process})]] ny diary {path} ; ajanony aloha izy",
        fr="un autre programme[[ (processus {process})]] utilise le journal {path} ; arrêtez-le d'abord",
        en="another program[[ (process {process})]] uses the log {path}; stop it first",
    ),
    "log_damaged": Texts(
        mg="simba ny diary {path} : {reason} ; apetraho ny dika voatahiry (backup), na alefaso ny dirk-admin "
        "rebuild-log",
        fr="le journal {path} est abîmé : {reason} ; restaurez-le, ou utilisez dirk-admin rebuild-log",
        en="the log {path} is damaged: {reason}; restore it, or use dirk-admin rebuild-log",
    ),
    "later_release": Texts(
        mg="DirkDB vaovao kokoa no nanoratra ny {path} (endrika {format} ; {known} no vakin'ity) ; io no alefaso",
        fr="une version plus récente de DirkDB a écrit {path} (format {format}, celle-ci lit {known}) ; "
        "démarrez celle-là",
        en="a later release of DirkDB wrote {path} (format {format}, this one reads {known}); start that one",
    ),
    "log_entry_damaged": Texts(
        mg="simba ny diary {log_id} ao amin'ny laharana {index} : {reason}",
        fr="le journal {log_id} est abîmé à l'entrée {index} : {reason}",
        en="log {log_id} is damaged at entry {index}: {reason}",
    ),
    "log_cut_by_damage": Texts(
        mg="simba ao amin'ny laharana {index} ny diarin'ny tahiry {name} ; tsy misy fanoratana raha tsy misy MASTER "
        "mandeha "
        "mihoatra azy ka voatahiry amin'ny kapilany izany ; raha tsy hiverina izy : dirk-admin restore, na rebuild-log",
        fr="le journal de la base {name} est abîmé à l'entrée {index} ; rien n'y est écrit tant qu'aucun maître en "
        "service "
        "n'a sur son disque un état plus récent ; si aucun ne revient : dirk-admin restore, ou rebuild-log",
        en="the log of database {name} is damaged at entry {index}; it takes no write until a master with a later "
        "state "
        "on its disk is running; if none comes back: dirk-admin restore, or rebuild-log",
    ),
    "disk_full_log": Texts(
        mg="feno ny kapila misy ny diary {path} ; tsy nisy voasoratra",
        fr="le disque du journal {path} est plein ; rien n'a été écrit",
        en="the disk of the log {path} is full; nothing was written",
    ),
    "outcome_unknown": Texts(
        mg="tsy fantatra na vita na tsia ny fangatahana[[ {request_id}]] ; alefaso indray amin'io laharana io ihany",
        fr="on ne sait pas si la requête[[ {request_id}]] a abouti ; renvoyez-la avec le même identifiant",
        en="it is not known whether request[[ {request_id}]] was done; send it again with the same id",
    ),
    "overloaded": Texts(
        mg="be loatra ny fanoratana miandry[[ ({waiting})]] ; andramo indray rehefa avy eo",
        fr="trop d'écritures en attente[[ ({waiting})]] ; réessayez plus tard",
        en="too many writes are waiting[[ ({waiting})]]; try again later",
    ),
    "not_droppable": Texts(
        mg="tsy azo ravana ny tahiry {name} : an'ny rafitra izy",
        fr="la base {name} ne peut pas être supprimée : elle appartient au système",
        en="database {name} cannot be dropped: it belongs to the system",
    ),
    "snapshot_refused": Texts(
        mg="nolavina ny sary (snapshot) an'ny diary {log_id} ao amin'ny laharana {index} : {reason}",
        fr="l'instantané du journal {log_id} à l'entrée {index} est refusé : {reason}",
        en="the snapshot of log {log_id} at entry {index} is refused: {reason}",
    ),
    "snapshot_damaged": Texts(
        mg="simba ny sary (snapshot) an'ny diary {log_id} ao amin'ny laharana {index} : {reason}",
        fr="l'instantané du journal {log_id} à l'entrée {index} est abîmé : {reason}",
        en="the snapshot of log {log_id} at entry {index} is damaged: {reason}",
    ),
    "snapshot_gone": Texts(
        mg="tsy ao intsony ny sary (snapshot) an'ny diary {log_id} ao amin'ny laharana {index}",
        fr="l'instantané du journal {log_id} à l'entrée {index} n'existe plus",
        en="the snapshot of log {log_id} at entry {index} is no longer there",
    ),
}
