"""The client's own sentences: what it says between the server's answers. None of them is an error of the server."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

MESSAGES: dict[str, Texts] = {
    "client_welcome": Texts(
        mg="DirkDB {version}, mifandray amin'ny {address}. Farano amin'ny « ; » ny baiko tsirairay. Soraty hoe miala "
        "raha hivoaka.",
        fr="DirkDB {version}, connecté à {address}. Terminez chaque instruction par « ; ». Tapez miala pour quitter.",
        en="DirkDB {version}, connected to {address}. End each statement with “;”. Type miala to leave.",
    ),
    "client_help": Texts(
        mg="Farano amin'ny « ; » ny baiko, na teny malagasy na SQL, ary azo atao andalana maro :\n"
        "  asehoy ny tahiry;   ampiasao sekoly;   asehoy ny tabilao;   alaivo * ao@ mpianatra;\n"
        "  manamboara tahiry sekoly;   manamboara tabilao mpianatra (id ISA, anarana LAHATSORATRA);\n"
        "  manampia ao@ mpianatra sanda (1, 'Rakoto');   safidio ny fiteny mg;   (na fr, en)\n"
        "Tsy mila « ; » : miala (quit) hivoahana, diovy (!) hamafana ny efijery, fanampiana (help) hampisehoana ity "
        "toromarika ity.\n"
        "Ctrl-C manafoana izay mandeha. Ny fiteny manontolo : docs/language.md ; ny mpizara : docs/operations.md.",
        fr="Chaque instruction finit par « ; » et peut prendre plusieurs lignes, en mots malgaches ou en SQL :\n"
        "  asehoy ny tahiry;   ampiasao sekoly;   asehoy ny tabilao;   alaivo * ao@ mpianatra;\n"
        "  manamboara tahiry sekoly;   manamboara tabilao mpianatra (id ISA, anarana LAHATSORATRA);\n"
        "  manampia ao@ mpianatra sanda (1, 'Rakoto');   safidio ny fiteny fr;   (ou mg, en)\n"
        "Sans « ; » : miala (quit) quitte, diovy (!) efface l'écran, fanampiana (aide) montre ceci.\n"
        "Ctrl-C annule ce qui est en cours. Tout le langage : docs/language.md ; les serveurs : docs/operations.md.",
        en="Each statement ends with “;” and may take several lines, in Malagasy words or in SQL:\n"
        "  asehoy ny tahiry;   ampiasao sekoly;   asehoy ny tabilao;   alaivo * ao@ mpianatra;\n"
        "  manamboara tahiry sekoly;   manamboara tabilao mpianatra (id ISA, anarana LAHATSORATRA);\n"
        "  manampia ao@ mpianatra sanda (1, 'Rakoto');   safidio ny fiteny en;   (or mg, fr)\n"
        "Without “;”: miala (quit) leaves, diovy (!) clears the screen, fanampiana (help) shows this.\n"
        "Ctrl-C cancels what is running. The whole language: docs/language.md; the servers: docs/operations.md.",
    ),
    "client_row_one": Texts(mg="isan'ny andalana : {count}", fr="{count} ligne", en="{count} row"),
    "client_rows": Texts(mg="isan'ny andalana : {count}", fr="{count} lignes", en="{count} rows"),
    "client_waiting": Texts(
        mg="miandry ny mpizara ao {address}…",
        fr="en attente d'un serveur à {address}…",
        en="waiting for a server at {address}…",
    ),
    "client_reconnecting": Texts(
        mg="tapaka ny fifandraisana tamin'ny {address} ; miezaka mifandray indray…",
        fr="connexion à {address} perdue ; nouvelle tentative…",
        en="the connection to {address} was lost; trying again…",
    ),
    "client_connected": Texts(
        mg="mifandray indray amin'ny {address}",
        fr="connecté de nouveau à {address}",
        en="connected again to {address}",
    ),
    "client_unreachable": Texts(
        mg="tsy misy mamaly ao {address} ({reason}) ; alefaso ny bin/dirk-up, na ny bin/dirk-proxy miaraka "
        "amin'ny bin/dirk-server m1",
        fr="rien ne répond à {address} ({reason}) ; lancez bin/dirk-up, ou bin/dirk-proxy avec bin/dirk-server m1",
        en="nothing answers at {address} ({reason}); start bin/dirk-up, or bin/dirk-proxy with bin/dirk-server m1",
    ),
    "client_not_dirk": Texts(
        mg="tsy DirkDB no mamaly ao {address} : {line}",
        fr="ce qui répond à {address} n'est pas DirkDB : {line}",
        en="what answers at {address} is not DirkDB: {line}",
    ),
    "client_silent": Texts(
        mg="tsy miteny na inona na inona ny ao {address} : DirkDB ve io ?",
        fr="ce qui écoute à {address} ne dit rien : est-ce DirkDB ?",
        en="what listens at {address} says nothing: is it DirkDB?",
    ),
    "client_lost": Texts(
        mg="tapaka isaky ny andrana ny fifandraisana tamin'ny {address} ; tsy voavaly ny baiko",
        fr="la connexion à {address} se perd à chaque essai ; l'instruction reste sans réponse",
        en="the connection to {address} was lost at every attempt; the statement has no answer",
    ),
    "client_lost_midway": Texts(
        mg="tapaka teo am-pamaliana ny fifandraisana tamin'ny {address} ; tsy manan-kery ny andalana eo ambony",
        fr="connexion à {address} perdue au milieu de la réponse ; les lignes ci-dessus sont à ignorer",
        en="the connection to {address} was lost in the middle of the answer; the rows above are void",
    ),
    "client_transaction_lost": Texts(
        mg="tapaka ny fifandraisana tamin'ny {address} ka foana ny asa natomboka ; tsy nisy voatahiry",
        fr="connexion à {address} perdue, et avec elle la transaction : rien n'a été enregistré",
        en="the connection to {address} was lost and the transaction with it: none of it was kept",
    ),
    "client_timeout": Texts(
        mg="tsy namaly ara-potoana ny {address}",
        fr="{address} n'a pas répondu à temps",
        en="{address} did not answer in time",
    ),
    "client_outcome_unknown": Texts(
        mg="tsy fantatra na vita na tsia ny fanovana ; jereo ny angona alohan'ny handefasana azy indray (laharana "
        "{id})",
        fr="on ne sait pas si l'écriture a eu lieu ; vérifiez les données avant de la refaire (requête {id})",
        en="it is not known whether the write happened; look at the data before repeating it (request {id})",
    ),
    "client_cancelled": Texts(mg="nofoanana ny baiko", fr="instruction annulée", en="statement cancelled"),
    "client_cancelled_write": Texts(
        mg="nofoanana ny fiandrasana, fa tsy fantatra na vita na tsia ny fanovana (laharana {id})",
        fr="attente annulée, mais on ne sait pas si l'écriture a eu lieu (requête {id})",
        en="stopped waiting, but it is not known whether the write happened (request {id})",
    ),
    "client_cancelled_transaction": Texts(
        mg="nofoanana ny baiko sy ny asa natomboka ; tsy nisy voatahiry",
        fr="instruction annulée, et la transaction avec elle : rien n'a été enregistré",
        en="the statement was cancelled and the transaction with it: none of it was kept",
    ),
    "client_unfinished": Texts(
        mg="tapitra ny lahatsoratra nefa tsy voafaran'ny « ; » ny baiko, ka tsy nalefa izy",
        fr="le texte finit sans que « ; » termine l'instruction : elle n'a pas été envoyée",
        en="the input ends before a “;” ends the statement: it was not sent",
    ),
    "client_unclosed": Texts(
        mg="tapitra ny lahatsoratra nefa mbola misokatra ny « {inside} », ka tsy nalefa ny baiko",
        fr="le texte finit alors que « {inside} » est encore ouvert : l'instruction n'a pas été envoyée",
        en="the input ends while “{inside}” is still open: the statement was not sent",
    ),
    "client_several": Texts(
        mg="baiko iray ihany no azo alefa isaky ny antso ; tsy nisy nalefa",
        fr="une seule instruction à la fois : rien n'a été envoyé",
        en="one statement at a time: nothing was sent",
    ),
    "client_interrupted": Texts(
        mg="tapaka teo am-pamakiana ny valiny ; tsy manan-kery ny andalana efa voaray",
        fr="la lecture de la réponse a été interrompue ; les lignes déjà reçues ne valent rien",
        en="reading the answer was interrupted; the rows that came are void",
    ),
    "client_in_transaction": Texts(
        mg="tsy azo ovaina ny autocommit raha mbola misokatra ny asa ; antsoy aloha ny commit() na ny rollback()",
        fr="autocommit ne change pas tant qu'une transaction est ouverte : appelez d'abord commit() ou rollback()",
        en="autocommit cannot change while a transaction is open: call commit() or rollback() first",
    ),
    "client_not_utf8": Texts(
        mg="tsy UTF-8 ny lahatsoratra",
        fr="le texte n'est pas en UTF-8",
        en="the text is not UTF-8",
    ),
    "client_no_file": Texts(
        mg="tsy azo vakina ny {file} : {reason}",
        fr="impossible de lire {file} : {reason}",
        en="cannot read {file}: {reason}",
    ),
    "client_bad_arguments": Texts(
        mg="tsy fantatra ny {words} ; jereo ny dirk-client --help",
        fr="argument non valable : {words} ; voir dirk-client --help",
        en="unknown option or argument: {words}; see dirk-client --help",
    ),
    "client_bad_port": Texts(
        mg="{port} : tsy laharan'ny port (1 ka hatramin'ny 65535)",
        fr="{port} n'est pas un port (1 à 65535)",
        en="{port} is not a port (1 to 65535)",
    ),
    "client_bad_choice": Texts(
        mg="{option} : tsy fantatra ny {value} ; misafidiana iray amin'ireto : {choices}",
        fr="{option} : {value} est inconnu ; choisissez parmi {choices}",
        en="{option}: {value} is not known; choose from {choices}",
    ),
    "client_bad_seconds": Texts(
        mg="{option} : tsy isan'ny segondra ny {value}",
        fr="{option} : {value} n'est pas un nombre de secondes",
        en="{option}: {value} is not a number of seconds",
    ),
}
