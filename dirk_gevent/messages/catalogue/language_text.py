"""The sentences of statements that can't be read: the grammar's and the lexer's."""

from __future__ import annotations

from dirk_gevent.messages.texts import Texts

#: The marks in a syntax error's list of expected words that stand for what a person chooses.
MARKS: dict[str, Texts] = {
    "<name>": Texts(mg="<anarana>", fr="<nom>", en="<name>"),
    "<text>": Texts(mg="<lahatsoratra>", fr="<texte>", en="<text>"),
    "<number>": Texts(mg="<isa>", fr="<nombre>", en="<number>"),
}

SYNTAX: dict[str, Texts] = {
    "syntax": Texts(
        mg="diso ny fanoratana, andalana faha-{line}, tarehintsoratra faha-{column}[[ : tsy nampoizina « {found} »]]"
        "[[ ; {nearest} angaha ?]][[ ; tenin'ny fiteny ny {reserved} : soraty hoe `{reserved}` raha anarana]]",
        fr="erreur de syntaxe, ligne {line}, caractère {column}[[ : « {found} » inattendu]]"
        "[[ ; vouliez-vous dire {nearest} ?]]"
        "[[ ; {reserved} est un mot réservé : écrivez `{reserved}` pour en faire un nom]]",
        en="syntax error at line {line}, character {column}[[: unexpected “{found}”]][[; did you mean {nearest}?]]"
        "[[; {reserved} is a reserved word: write `{reserved}` to make it a name]]",
    ),
    "character_unassigned": Texts(
        mg="tsy azo atao anarana ny tarehintsoratra « {character} » : vaovao loatra ka tsy fantatry ny mpizara rehetra",
        fr="le caractère « {character} » ne peut pas être dans un nom : il est trop récent pour que tous les nœuds le "
        "connaissent",
        en="character “{character}” cannot be in a name: it is too new for every node to know it",
    ),
    "parameter_misplaced": Texts(
        mg="tsy azo asiana « {found} » eto, andalana faha-{line}, tarehintsoratra faha-{column} : sanda voasoratra no "
        "ilaina",
        fr="« {found} » n'est pas permis ici, ligne {line}, caractère {column} : il faut une valeur écrite",
        en="“{found}” is not allowed here, line {line}, character {column}: a value must be written out",
    ),
    "natural_using": Texts(
        mg="efa milaza ny tsanganana iraisana ny tonona:natoraly ; tsy azo arahina iraisana, fa ny ka ihany",
        fr="NATURAL JOIN désigne déjà les colonnes communes : USING est de trop, ON peut suivre",
        en="NATURAL JOIN already names the common columns: USING can't follow it, ON can",
    ),
    "ends_early": Texts(
        mg="tapitra aloha loatra ny baiko, andalana faha-{line}, tarehintsoratra faha-{column}",
        fr="l'instruction se termine trop tôt, ligne {line}, caractère {column}",
        en="the statement ends too early at line {line}, character {column}",
    ),
    "unterminated": Texts(
        mg="tsy voafarana ny lahatsoratra, anarana na fanamarihana nanomboka tamin'ny « {mark} », "
        "andalana faha-{line}, tarehintsoratra faha-{column}",
        fr="texte, nom ou commentaire ouvert par « {mark} » et jamais fermé, ligne {line}, caractère {column}",
        en="the string, name or comment opened by “{mark}” is never closed, line {line}, character {column}",
    ),
    "number_glued": Texts(
        mg="sady tsy isa no tsy anarana ny {text} : tsy azo atao tarehimarika ny fiandohan'ny anarana",
        fr="{text} n'est ni un nombre ni un nom : un nom ne commence pas par un chiffre",
        en="{text} is neither a number nor a name: a name can't begin with a digit",
    ),
    "out_of_range": Texts(
        mg="mihoatra ny fetra ny isa[[ {value}]][[ ho an'ny tsanganana {column}]]",
        fr="nombre hors limites[[ : {value}]][[ pour la colonne {column}]]",
        en="number out of range[[: {value}]][[ for column {column}]]",
    ),
    "too_deep": Texts(
        mg="be ambaratonga loatra ny baiko[[ : ambaratonga {limit} no fetra]]",
        fr="instruction trop imbriquée[[ : la limite est de {limit} niveaux]]",
        en="the statement is nested too deeply[[: the limit is {limit} levels]]",
    ),
    "too_complex": Texts(
        mg="be teny loatra ny baiko[[ : teny {limit} no fetra]]",
        fr="instruction trop longue à analyser[[ : la limite est de {limit} mots]]",
        en="the statement is too complex[[: the limit is {limit} words]]",
    ),
}
