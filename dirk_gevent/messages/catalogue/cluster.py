"""The sentences of the cluster area: requests, routing, nodes and the log they follow."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

MESSAGES: dict[str, Texts] = {
    "encoding_invalid": Texts(
        mg="tsy UTF-8 na misy tarehintsoratra NUL ny baiko, eo amin'ny octet faha-{offset}",
        fr="l'instruction n'est pas de l'UTF-8 ou contient un caractère NUL, à l'octet {offset}",
        en="the statement is not UTF-8 or holds a NUL character, at byte {offset}",
    ),
    "text_not_utf8": Texts(
        mg="namokatra lahatsoratra tsy UTF-8 ny baiko ; hex(…) no mampiseho izay ao anatiny",
        fr="l'instruction produit un texte qui n'est pas de l'UTF-8 ; hex(…) montre ce qu'il contient",
        en="the statement makes a text that is not UTF-8; hex(…) shows what is in it",
    ),
    "argument_invalid": Texts(
        mg="tsy mety ny {field} ao amin'ny /*dirk …*/ ; jereo ny karazana takiany",
        fr="le champ {field} du commentaire /*dirk …*/ n'est pas de la bonne sorte",
        en="field {field} of the /*dirk …*/ comment is not of the right kind",
    ),
    "statement_too_long": Texts(
        mg="lava loatra ny baiko : octet {limit_bytes} no fetra ; tapahina ny fifandraisana",
        fr="l'instruction est trop longue : la limite est de {limit_bytes} octets ; la connexion se ferme",
        en="the statement is too long: the limit is {limit_bytes} bytes; the connection closes",
    ),
    "unfinished_string": Texts(
        mg="mbola misokatra ny lahatsoratra nanomboka tamin'ny « {mark} »"
        ", {seconds} segondra taorian'ny octet farany ; tsy nisy natao, ary tapahina ny fifandraisana",
        fr="le texte ouvert par « {mark} » n'est pas fermé"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the string opened by “{mark}” is not closed"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_name": Texts(
        mg="mbola misokatra ny anarana nanomboka tamin'ny « {mark} »"
        ", {seconds} segondra taorian'ny octet farany ; tsy nisy natao, ary tapahina ny fifandraisana",
        fr="le nom ouvert par « {mark} » n'est pas fermé"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the name opened by “{mark}” is not closed"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_comment": Texts(
        mg="tsy ampy ny « {mark} » mamarana ny fanamarihana"
        ", {seconds} segondra taorian'ny octet farany ; tsy nisy natao, ary tapahina ny fifandraisana",
        fr="il manque le « {mark} » qui ferme le commentaire"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the “{mark}” that closes the comment is missing"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_line": Texts(
        mg="ao anaty fanamarihana ny « ; », ka tsy mamarana ny baiko"
        ", {seconds} segondra taorian'ny octet farany ; tsy nisy natao, ary tapahina ny fifandraisana",
        fr="le « ; » est dans un commentaire et ne termine pas l'instruction"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the “;” stands in a comment, so it does not end the statement"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_statement": Texts(
        mg="tsy ampy ny « ; » mamarana ny baiko"
        ", {seconds} segondra taorian'ny octet farany ; tsy nisy natao, ary tapahina ny fifandraisana",
        fr="il manque le « ; » qui termine l'instruction"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the “;” that ends the statement is missing"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "too_many_connections": Texts(
        mg="efa feno ny fifandraisana ({limit} : limits.maxConnections na ulimit -n) ; andramo indray afaka kelikely",
        fr="trop de connexions ({limit} : limits.maxConnections ou ulimit -n) ; réessayez dans un instant",
        en="too many connections ({limit}: limits.maxConnections or ulimit -n); try again in a moment",
    ),
    "too_many_requests": Texts(
        mg="be loatra ny baiko miara-mandeha ({limit}) ; mbola tsy nisy natao, andramo indray rehefa afaka kelikely",
        fr="trop de requêtes en cours ({limit}) ; rien n'a été fait, réessayez dans un instant",
        en="too many requests under way ({limit}); nothing was done, try again in a moment",
    ),
    "no_live_master": Texts(
        mg="tsy misy MASTER mandeha ka tsy nisy voasoratra ; alefaso ny bin/dirk-server na andraso mandra-piverin'ny "
        "iray",
        fr="aucun maître n'est en service, rien n'a été écrit ; démarrez bin/dirk-server ou attendez le retour de "
        "l'un d'eux",
        en="no master is running, nothing was written; start one with bin/dirk-server or wait until one is back",
    ),
    "no_readable_node": Texts(
        mg="tsy misy mpizara afaka mamaly izao (nandrasana {waited_ms} ms)",
        fr="aucun nœud ne peut répondre (après {waited_ms} ms d'attente)",
        en="no node can answer now (waited {waited_ms} ms)",
    ),
    "stale_read": Texts(
        mg="mbola ao amin'ny laharana {applied} amin'ny diary ny mpizara {node} fa ny laharana {minimum} no takiana ; "
        "andramo indray",
        fr="le nœud {node} est à l'entrée {applied} du journal, la lecture demande {minimum} ; réessayez",
        en="node {node} is at entry {applied} of the log, the read needs {minimum}; try again",
    ),
    "proxy_unreachable": Texts(
        mg="tsy tratra ny proxy {host}:{port} ka tsy nisy natao ; alefaso ny bin/dirk-proxy",
        fr="le proxy {host}:{port} est injoignable, rien n'a été fait ; démarrez bin/dirk-proxy",
        en="the proxy {host}:{port} can't be reached, nothing was done; start it with bin/dirk-proxy",
    ),
    "backend_lost": Texts(
        mg="tapaka ny fifandraisana tamin'ny {host}:{port} teo am-pamaliana ; andramo indray ny famakiana",
        fr="connexion à {host}:{port} perdue au milieu de la réponse ; relancez la lecture",
        en="the connection to {host}:{port} was lost in the middle of the answer; run the read again",
    ),
    "log_older_than_node": Texts(
        mg="taloha kokoa noho ny angona ny diary : laharana {head} no farany nefa efa nahita {heard} ny {node} ; "
        "tsy misy fanoratana mandra-pisian'ny olona manapa-kevitra : apetraho ny diary marina, "
        "na dirk-admin rebuild-log, na settle --accept-log",
        fr="le journal est plus ancien que les données : il s'arrête à l'entrée {head} et {node} a vu {heard} ; "
        "rien n'y sera écrit avant une décision humaine : remettez le bon journal, "
        "ou dirk-admin rebuild-log, ou settle --accept-log",
        en="the log is older than the data: it ends at entry {head} and node {node} has heard of {heard}; "
        "it takes no write until a person decides: put the right log back, "
        "or dirk-admin rebuild-log, or settle --accept-log",
    ),
    "log_went_back": Texts(
        mg="dika mitovy taloha ny diary[[, nitohy avy amin'ny laharana {head}]], fa efa nahita izay nanaraka ny {node}"
        "[[, hatramin'ny {heard}]] ; tsy misy fanoratana mandra-pisian'ny olona manapa-kevitra : apetraho ny diary "
        "marina, "
        "na dirk-admin rebuild-log, na settle --accept-log",
        fr="le journal est une ancienne copie[[, qui a repris à l'entrée {head}]], et la suite est connue de {node}"
        "[[, jusqu'à {heard}]] ; rien n'y sera écrit avant une décision humaine : remettez le bon journal, "
        "ou dirk-admin rebuild-log, ou settle --accept-log",
        en="the log is an old copy[[, which went on from entry {head}]], and what came then is known to {node}"
        "[[, up to {heard}]]; it takes no write until a person decides: put the right log back, "
        "or dirk-admin rebuild-log, or settle --accept-log",
    ),
    "log_unknown_to_node": Texts(
        mg="diary vaovao ity fa efa manana tantara hafa ny mpizara {node} ; "
        "tsy misy fanoratana mandra-pisian'ny olona manapa-kevitra : dirk-admin rebuild-log",
        fr="ce journal est nouveau et {node} a déjà l'histoire d'un autre ; "
        "rien n'y sera écrit avant une décision humaine : dirk-admin rebuild-log",
        en="this log is new and node {node} already has the history of another; "
        "it takes no write until a person decides: dirk-admin rebuild-log",
    ),
    "masters_disagree": Texts(
        mg="tsy mitovy ny valin'ny MASTER ao amin'ny laharana {index} amin'ny diary ; tsy azo anoratana ny tahiry "
        "mandra-pahitana izay marina",
        fr="les maîtres ne sont pas d'accord à l'entrée {index} du journal ; pas d'écriture avant de savoir qui a "
        "raison",
        en="the masters disagree at entry {index} of the log; no write is taken until it is known which one is right",
    ),
    "dispute_undecided": Texts(
        mg="tsy mitovy ny MASTER ao amin'ny laharana {index} amin'ny diary, ary tsy mitovy amin'ny an'ny iray akory "
        "ny diary ; "
        "olona no manapa-kevitra : dirk-admin settle {name} --keep MPIZARA, na --keep-log",
        fr="les maîtres ne sont pas d'accord à l'entrée {index} et le journal ne donne raison à aucun ; "
        "une personne décide : dirk-admin settle {name} --keep NŒUD, ou --keep-log",
        en="the masters disagree at entry {index} and the log agrees with none of them; "
        "a person decides: dirk-admin settle {name} --keep NODE, or --keep-log",
    ),
    "log_copied": Texts(
        mg="dika mitovy ny diary ka mety tsy feno : andrasana izay fantatry ny {missing} ; "
        "raha tsy hiverina intsony izy : dirk-admin settle --accept-log",
        fr="ce journal est une copie, il lui manque peut-être des écritures : on attend {missing} ; "
        "si personne d'autre ne revient : dirk-admin settle --accept-log",
        en="this log is a copy and may lack writes: it waits for what {missing} knows; "
        "if nobody else comes back: dirk-admin settle --accept-log",
    ),
    "older_entries": Texts(
        mg="misy fanoratana hatramin'ny laharana {index} izay nosoratan'i DirkDB taloha ka mbola tsy nataon'ny MASTER "
        "na iza na iza : andrasana ny {missing} ; raha tsy hiverina intsony izy : dirk-admin evict",
        fr="le journal contient jusqu'à l'entrée {index} des écritures d'une version antérieure qu'aucun maître n'a "
        "appliquées : on attend {missing} ; si personne d'autre ne revient : dirk-admin evict",
        en="the log holds writes of an earlier release, up to entry {index}, that no master has applied: it waits for "
        "{missing}; if nobody else comes back: dirk-admin evict",
    ),
    "node_evicted": Texts(
        mg="nesorina ny mpizara {node} ; ny dirk-admin reseed {node} no mandray azy indray",
        fr="le nœud {node} a été écarté ; dirk-admin reseed {node} le fait revenir",
        en="node {node} was evicted; dirk-admin reseed {node} brings it back",
    ),
    "restoring": Texts(
        mg="eo am-pamerenana amin'ny laoniny ny tahiry {name} ; andramo indray rehefa afaka kelikely",
        fr="la base {name} est en cours de restauration ; réessayez dans un instant",
        en="database {name} is being restored; try again in a moment",
    ),
    "skipping": Texts(
        mg="misy fanoratana dinganina ao amin'ny tahiry {name} ; andramo indray rehefa afaka kelikely",
        fr="une écriture de la base {name} est en train d'être sautée ; réessayez dans un instant",
        en="an entry of database {name} is being skipped; try again in a moment",
    ),
    "being_seeded": Texts(
        mg="mbola maka ny angona avy amin'ny diary ny mpizara {node} ; andramo indray rehefa afaka kelikely",
        fr="le nœud {node} reprend encore ses données du journal ; réessayez dans un instant",
        en="node {node} is still taking its data from the log; try again in a moment",
    ),
    "node_not_following": Texts(
        mg="tsy manaraka ny diary ny mpizara {node} : {reason}",
        fr="le nœud {node} ne suit pas le journal : {reason}",
        en="node {node} does not follow the log: {reason}",
    ),
    "shutting_down": Texts(
        mg="hijanona ny mpizara ; mifandraisa indray rehefa afaka kelikely",
        fr="le serveur s'arrête ; reconnectez-vous dans un instant",
        en="the server is stopping; connect again in a moment",
    ),
    "system_database": Texts(
        mg="ny tahiry dirk dia an'i DirkDB irery ihany ; misafidiana tahiry hafa",
        fr="la base dirk appartient à DirkDB ; utilisez une autre base",
        en="database dirk is DirkDB's own; use another database",
    ),
    "node_unknown": Texts(
        mg="tsy voasoratra ao amin'ny instances (config.json an'ny proxy) ity mpizara ity",
        fr="ce nœud n'est pas dans les instances du config.json du proxy",
        en="this node is not among the instances of the proxy's config.json",
    ),
    "node_runs_twice": Texts(
        mg="efa misy programa hafa mandeha amin'ny anarana {node}[[ (avy amin'ny {address}, nanomboka {since})]] ; "
        "ajanony ny iray",
        fr="un autre programme sert déjà de nœud {node}[[ (depuis {address}, connecté depuis {since})]] ; "
        "arrêtez l'un des deux",
        en="another program runs as node {node}[[ (from {address}, since {since})]]; stop one of the two",
    ),
    "build_differs": Texts(
        mg="mety hamarana ny fanoratana amin'ny fomba hafa ny mpizara {node} ({build}) sy ny proxy ({own}) ; "
        "apetraho amin'izy roa ny DirkDB sy ny apsw mitovy",
        fr="le nœud {node} ({build}) et le proxy ({own}) pourraient finir une écriture autrement ; "
        "installez le même DirkDB et le même apsw des deux côtés",
        en="node {node} ({build}) and the proxy ({own}) could end a write differently; "
        "install the same DirkDB and the same apsw on both",
    ),
    "unknown_language": Texts(
        mg="tsy fantatra ny fiteny {name} ; misafidiana iray amin'ireto : {known}",
        fr="la langue {name} n'est pas connue ; choisissez parmi : {known}",
        en="language {name} is not known; choose one of: {known}",
    ),
}
