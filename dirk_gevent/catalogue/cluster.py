"""The sentences of the cluster area: requests, routing, nodes and the log they follow."""

from __future__ import annotations

from dirk_gevent.catalogue import Texts

MESSAGES: dict[str, Texts] = {
    "encoding_invalid": Texts(
        mg="tsy UTF-8 na misy tarehintsoratra NUL ny fangatahana, eo amin'ny toerana {offset}",
        fr="la requête n'est pas de l'UTF-8 ou contient un caractère NUL, à la position {offset}",
        en="the statement is not UTF-8 or holds a NUL character, at position {offset}",
    ),
    "text_not_utf8": Texts(
        mg="nahaterahana lahatsoratra tsy UTF-8 ny baiko ; hex(…) no mampiseho izay ao anatiny",
        fr="l'instruction produit un texte qui n'est pas de l'UTF-8 ; hex(…) montre ce qu'il contient",
        en="the statement makes a text that is not UTF-8; hex(…) shows what is in it",
    ),
    "argument_invalid": Texts(
        mg="tsy mety ny {field} ao amin'ny /*dirk …*/ ; jereo ny karazana takiany",
        fr="le champ {field} du commentaire /*dirk …*/ n'est pas de la bonne sorte",
        en="field {field} of the /*dirk …*/ comment is not of the right kind",
    ),
    "statement_too_long": Texts(
        mg="lava loatra ny fangatahana : {limit_bytes} oktety no fetra ; hikatona ny fifandraisana",
        fr="la requête est trop longue : la limite est de {limit_bytes} octets ; la connexion se ferme",
        en="the statement is too long: the limit is {limit_bytes} bytes; the connection closes",
    ),
    "unfinished_string": Texts(
        mg="mbola misokatra ny soratra nanomboka tamin'ny {mark}"
        ", {seconds} segondra taorian'ny oktety farany ; tsy nisy natao, ary hikatona ny fifandraisana",
        fr="le texte ouvert par {mark} n'est pas fermé"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the string opened by {mark} is not closed"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_name": Texts(
        mg="mbola misokatra ny anarana nanomboka tamin'ny {mark}"
        ", {seconds} segondra taorian'ny oktety farany ; tsy nisy natao, ary hikatona ny fifandraisana",
        fr="le nom ouvert par {mark} n'est pas fermé"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the name opened by {mark} is not closed"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_comment": Texts(
        mg="tsy ampy ny {mark} mamarana ny fanamarihana"
        ", {seconds} segondra taorian'ny oktety farany ; tsy nisy natao, ary hikatona ny fifandraisana",
        fr="il manque le {mark} qui ferme le commentaire"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the {mark} that closes the comment is missing"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_line": Texts(
        mg="ao anaty fanamarihana ny ';', ka tsy mamarana ny fanambarana"
        ", {seconds} segondra taorian'ny oktety farany ; tsy nisy natao, ary hikatona ny fifandraisana",
        fr="le ';' est dans un commentaire et ne termine pas l'instruction"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the ';' stands in a comment, so it does not end the statement"
        ", {seconds} s after the last byte; nothing was run and the connection closes",
    ),
    "unfinished_statement": Texts(
        mg="tsy ampy ny ';' mamarana ny fanambarana"
        ", {seconds} segondra taorian'ny oktety farany ; tsy nisy natao, ary hikatona ny fifandraisana",
        fr="il manque le ';' qui termine l'instruction"
        ", {seconds} s après le dernier octet ; rien n'a été exécuté et la connexion se ferme",
        en="the ';' that ends the statement is missing"
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
        mg="tsy misy MASTER velona ka tsy azo soratana ; alefaso bin/dirk-server na andraso hiverina ilay iray",
        fr="aucun MASTER n'est en vie, rien n'a été écrit ; démarrez bin/dirk-server ou attendez son retour",
        en="no master is live, nothing was written; start one with bin/dirk-server or wait until one is back",
    ),
    "no_readable_node": Texts(
        mg="tsy misy mpizara afaka mamaly izao ; nandrasana {waited_ms} ms",
        fr="aucun serveur ne peut répondre maintenant ; attendu {waited_ms} ms",
        en="no node can answer now; waited {waited_ms} ms",
    ),
    "stale_read": Texts(
        mg="mbola ao amin'ny index {applied} ny mpizara {node} fa index {minimum} no takiana ; andramo indray",
        fr="le serveur {node} est à l'index {applied}, la lecture demande {minimum} ; réessayez",
        en="node {node} is at index {applied}, the read needs {minimum}; try again",
    ),
    "proxy_unreachable": Texts(
        mg="tsy tratra ny proxy {host}:{port} ka tsy nisy natao ; alefaso bin/dirk-proxy",
        fr="le proxy {host}:{port} est injoignable, rien n'a été fait ; démarrez bin/dirk-proxy",
        en="the proxy {host}:{port} can't be reached, nothing was done; start it with bin/dirk-proxy",
    ),
    "backend_lost": Texts(
        mg="tapaka ny fifandraisana tamin'ny {host}:{port} teo am-pamaliana ; andramo indray ny famakiana",
        fr="connexion à {host}:{port} perdue au milieu de la réponse ; relancez la lecture",
        en="the connection to {host}:{port} was lost in the middle of the answer; run the read again",
    ),
    "log_older_than_node": Texts(
        mg="tranainy kokoa noho ny angona ny diary : index {head} no farany nefa efa nahita {heard} ny {node} ; "
        "tsy asiana soratra mandra-panapahan'olona : avereno ny diary marina, "
        "na dirk-admin rebuild-log, na settle --accept-log",
        fr="le journal est plus vieux que les données : il s'arrête à l'index {head} et {node} a vu {heard} ; "
        "rien n'y sera écrit avant une décision humaine : remettez le bon journal, "
        "ou dirk-admin rebuild-log, ou settle --accept-log",
        en="the log is older than the data: it ends at index {head} and node {node} has heard of {heard}; "
        "it takes no write until a person decides: put the right log back, "
        "or dirk-admin rebuild-log, or settle --accept-log",
    ),
    "log_went_back": Texts(
        mg="kopia taloha ny diary[[, nitohy avy amin'ny index {head}]], fa efa nahita izay nanaraka ny {node}"
        "[[, hatramin'ny {heard}]] ; tsy asiana soratra mandra-panapahan'olona : avereno ny diary marina, "
        "na dirk-admin rebuild-log, na settle --accept-log",
        fr="le journal est une ancienne copie[[, qui a repris à l'index {head}]], et la suite est connue de {node}"
        "[[, jusqu'à {heard}]] ; rien n'y sera écrit avant une décision humaine : remettez le bon journal, "
        "ou dirk-admin rebuild-log, ou settle --accept-log",
        en="the log is an old copy[[, which went on from index {head}]], and what came then is known to {node}"
        "[[, up to {heard}]]; it takes no write until a person decides: put the right log back, "
        "or dirk-admin rebuild-log, or settle --accept-log",
    ),
    "log_unknown_to_node": Texts(
        mg="diary vaovao ity fa efa manana tantara hafa ny mpizara {node} ; "
        "tsy asiana soratra mandra-panapahan'olona : dirk-admin rebuild-log",
        fr="ce journal est nouveau et {node} a déjà l'histoire d'un autre ; "
        "rien n'y sera écrit avant une décision humaine : dirk-admin rebuild-log",
        en="this log is new and node {node} already has the history of another; "
        "it takes no write until a person decides: dirk-admin rebuild-log",
    ),
    "masters_disagree": Texts(
        mg="tsy mitovy ny valin'ny MASTER ao amin'ny index {index} ; tsy azo soratana mandra-pahitana izay marina",
        fr="les masters ne sont pas d'accord à l'index {index} ; pas d'écriture avant de savoir qui a raison",
        en="the masters disagree at index {index}; no write is taken until it is known which one is right",
    ),
    "dispute_undecided": Texts(
        mg="tsy mitovy ny MASTER ao amin'ny index {index} ary tsy mitovy amin'ny iray aminy ny diary ; "
        "olona no manapaka : dirk-admin settle {name} --keep MPIZARA, na --keep-log",
        fr="les masters ne sont pas d'accord à l'index {index} et le journal ne donne raison à aucun ; "
        "une personne décide : dirk-admin settle {name} --keep SERVEUR, ou --keep-log",
        en="the masters disagree at index {index} and the log agrees with none of them; "
        "a person decides: dirk-admin settle {name} --keep NODE, or --keep-log",
    ),
    "log_copied": Texts(
        mg="kopia ny diary ka mety tsy feno : andrasana izay fantatry ny {missing} ; "
        "raha tsy hiverina intsony izy : dirk-admin settle --accept-log",
        fr="ce journal est une copie, il lui manque peut-être des écritures : on attend {missing} ; "
        "si personne d'autre ne revient : dirk-admin settle --accept-log",
        en="this log is a copy and may lack writes: it waits for what {missing} knows; "
        "if nobody else comes back: dirk-admin settle --accept-log",
    ),
    "older_entries": Texts(
        mg="misy soratra hatramin'ny index {index} izay nosoratan'ny DirkDB taloha ka tsy mbola nataon'ny MASTER "
        "na iza na iza : andrasana ny {missing} ; raha tsy hiverina intsony izy : dirk-admin evict",
        fr="le journal contient jusqu'à l'index {index} des écritures d'une version antérieure qu'aucun master n'a "
        "appliquées : on attend {missing} ; si personne d'autre ne revient : dirk-admin evict",
        en="the log holds writes of an earlier release, up to index {index}, that no master has applied: it waits for "
        "{missing}; if nobody else comes back: dirk-admin evict",
    ),
    "node_evicted": Texts(
        mg="nesorina ny mpizara {node} ; averina amin'ny dirk-admin reseed {node}",
        fr="le serveur {node} a été écarté ; dirk-admin reseed {node} le fait revenir",
        en="node {node} was evicted; dirk-admin reseed {node} brings it back",
    ),
    "restoring": Texts(
        mg="eo am-pamerenana ny tahiry {name} ; andramo indray rehefa afaka kelikely",
        fr="la base {name} est en cours de restauration ; réessayez dans un instant",
        en="database {name} is being restored; try again in a moment",
    ),
    "skipping": Texts(
        mg="misy soratra dinganina ao amin'ny tahiry {name} ; andramo indray rehefa afaka kelikely",
        fr="une écriture de la base {name} est en train d'être sautée ; réessayez dans un instant",
        en="an entry of database {name} is being skipped; try again in a moment",
    ),
    "being_seeded": Texts(
        mg="mbola maka ny angona avy amin'ny diary ny mpizara {node} ; andramo indray rehefa afaka kelikely",
        fr="le serveur {node} reprend encore ses données du journal ; réessayez dans un instant",
        en="node {node} is still taking its data from the log; try again in a moment",
    ),
    "node_not_following": Texts(
        mg="tsy manaraka ny diary ny mpizara {node} : {reason}",
        fr="le serveur {node} ne suit pas le journal : {reason}",
        en="node {node} does not follow the log: {reason}",
    ),
    "shutting_down": Texts(
        mg="hikatona ny mpizara ; mifandraisa indray rehefa afaka kelikely",
        fr="le serveur s'arrête ; reconnectez-vous dans un instant",
        en="the server is stopping; connect again in a moment",
    ),
    "system_database": Texts(
        mg="ny tahiry dirk dia an'ny DirkDB irery ihany ; ampiasao ny tahiry hafa",
        fr="la base dirk appartient à DirkDB ; utilisez une autre base",
        en="database dirk is DirkDB's own; use another database",
    ),
    "node_unknown": Texts(
        mg="tsy ao amin'ny instances an'ny config.json an'ny proxy ny mpizara ity",
        fr="ce serveur n'est pas dans les instances du config.json du proxy",
        en="this node is not among the instances of the proxy's config.json",
    ),
    "build_differs": Texts(
        mg="mety hamarana ny soratra amin'ny fomba hafa ny mpizara {node} ({build}) sy ny proxy ({own}) ; "
        "apetraho amin'izy roa ny DirkDB sy ny apsw mitovy",
        fr="le serveur {node} ({build}) et le proxy ({own}) pourraient finir une écriture autrement ; "
        "installez le même DirkDB et le même apsw des deux côtés",
        en="node {node} ({build}) and the proxy ({own}) could end a write differently; "
        "install the same DirkDB and the same apsw on both",
    ),
    "unknown_language": Texts(
        mg="tsy fantatra ny fiteny {name} ; safidio iray amin'ireto : {known}",
        fr="la langue {name} n'est pas connue ; choisissez parmi : {known}",
        en="language {name} is not known; choose one of: {known}",
    ),
}
