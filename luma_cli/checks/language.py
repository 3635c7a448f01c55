"""Which language a prompt is in, as far as a few words tell: the service reads English only."""

import re
import unicodedata

# Words of other languages' prompts that mean nothing in English, and are no names or loan words either.
_FOREIGN_WORDS = """
unos unas sobre entre hacia desde muy más también cuando donde estos estas hazlo añade agrega cambia convierte quita
elimina reemplaza pon ponle nieve lluvia noche cielo calle mujer fondo fuerte cae llueva llueve parezca parecer película
estilo pintura colores ciudad blanco antigua oscura oscuro ambiente gafas quiero tiene tienen está están hacer hace
hazla invierno verano personas ropa perro gato caballo luz cambiar añadir poner quitar otro otra mismo misma avec dans
cette ajoute ajoutez changez remplace remplacez supprime supprimez enlève enlevez transforme transformez rends fais
neige pluie nuit ciel peinture l'huile voiture lumineux dessin animé blanc toute couleurs chapeau arrière-plan veux soit
être avoir ajouter mettre enlever personne hiver été chien cheval lumière années autre même nouveau dessus habille
éclaire eine einen einem einer eines und ohne für nach durch nicht sehr aber auch dieser diese dieses füge mache ändere
ändern verwandle entferne ersetze setz hinzu hinzufügen heller dunkler starker schwarz schwarz-weiß roten alten ganze
alles daraus bild schneit regnet unter dunkle dunkles warmen soll sollen möchte dass wird werden haben kein keine keinen
zieh ihm ihr ihn alle jünger älter neue neuen fliegt läuft trägt fliegen wenn dann noch mehr weniger gib pessoas tudo
isso ele ela eles quero pareça inverno verão ilumine pessoa cachorro outro outra mesmo uma umas pelo pela muito adicione
adicionar mude troque substitua remova faça coloque deixe neve chuva noite céu homem mulher fundo preto branco cidade
antigo desenho vermelho chove cena escura escuro gli della dello degli delle nel nella nello sul sulla senza molto più
anche questo questa aggiungi aggiungere trasforma sostituisci rimuovi togli metti rendi fallo sembrare nevicata pioggia
piove notte uomo donna sfondo voglio sembri sembra fumetto cartone animato luce altro altra stesso nuovo nuova vestilo
illumina gatto cavallo colori pittura acquerello scena bianco rosso luminoso scura buia atmosfera natalizia vecchio
macchina het een voor zonder naar bij onder niet zeer maar ook deze voeg maak verander vervang verwijder zet sneeuw
sneeuwval regen nacht lucht straat vrouw achtergrond valt zware zwaar lichter donkere donkerder draagt kleuren kleur
stad hele oude hoed beeld wil lijkt geen mensen mens zijn worden wordt hem jonger ouder winters zon zonsondergang hond
paard kamer nieuwe olieverfschilderij zwart-wit tekenfilmstijl kerstsfeer regent boven przez oraz się też bardzo dodaj
zmień usuń zamień zrób załóż śnieg śniegu deszcz deszczu niebo niebie ulica ulicy kobieta mężczyzna mężczyźnie tło tła
padał kolorach kolor obraz olejny stary miasto miastem mieście ciepłych nocy jaśniej ogień styl klimat niech dla całej
żeby wyglądało wygląda jako nad przed tym tej jego jej wszystko ludzi ludzie zima zimą lato góry góra słońca słońce
samochód konia światło nowy nowa ubierz oświetl leci idzie burza bir için gibi çok şu olarak ekle değiştir kaldır
dönüştür yağmur gece gökyüzü sokak kadın arka yoğun yağıyor yağsın yağlı boya siyah beyaz karanlık parlak ateş köpeği
kediye şapka gözlüğü şehir şehirde eski tarzı stili tüm sahne sahneyi karart takıyor plajla korku filmi filmini filme
resmi kış yaz gün olsun olmasın görünsün onu ona adamı şey untuk dengan tanpa sangat tetapi tambahkan ubah hapus ganti
buat buatlah jadikan menjadi seperti salju hujan malam langit jalan pria wanita latar belakang turun lebat deras lukisan
minyak warna hitam putih terang gelap suasana gaya seluruh adegan kartun memakai pakaikan merah anjing kucing mobil hari
gunakan saya ingin terlihat terbang terbenam matahari dalam oleh adalah tidak jangan lebih muda semua semuanya sebuah
seekor seorang mereka musim badai pasir gurun tahun laut gunung pegunungan cahaya ruangan jas inte över bakgrunden gör
bilen byt snöfall natten ljusare på för från není přidej odstraň nahraď změň udělej noci pozadí sníh déšť městě nebo și
în pentru fundalul adaugă elimină schimbă noaptea zăpadă ninsoare mașina és egy hogy nem legyen éjszaka hó eső háttér
hátteret olajfestmény autót ei yöllä tausta lisää poista muuta korvaa autoa lumisade sade kaupunki taivas öljymaalaus
"""

# The same, where German writes a capital in the middle of a sentence.
_GERMAN_NOUNS = """
menschen mensch burg drache wüste sonnenuntergang sandsturm comic-stil raum kerzen jahre anzug mädchen junge schnee
schneefall regen nacht himmel straße hintergrund ölgemälde farben szene sonnenbrille hund katze bild strand
gewitter blitze kleides kleid raumschiff hut stadt aquarell weihnachtsstimmung stil feuer wasser farbe zeichentrickfilm
zeichentrickfilms pferd
"""

# Small words that are parts of names, or words and names in English too. One of them proves nothing.
_SMALL_WORDS = """
el la los las le les lo il un une des du de del al di da do dos das der dem den ein ist auf aus von zum zur wie im es et
est aux sur qui que qu'il comme très à en au par por para con como pero este esta ese esa sus su y os um uns na nos nas
no sem até mas quando esse essa se ou toda todo todos tutto tutta tout tous dei tra fra che dove ma olio met van om te
dat die als toe uit er aan is haar w z od bez jest jak ale ta tego noc pies ve ile ama daha bu kar và với cho của là
trong dan ke dari pada itu ini orang api ada kan och ett som det av pe cu una o nu hasta hombre homme ser sein fond
rouge rojo forte stark warm noir nero nera negro oleo óleo fuego rode yap rue ville chez sans sous vers mach med att
adam auto cores mit yang dia tua haz pod psa kota novo nuevo mets femme faire bande dessous ja coche mais nova
"""

# Joints of names: between two capitals they prove nothing at all.
_JOINT_WORDS = "de del la las los le les du des da di do dos van von der den y el della dei"

# Words of English prompts that no other language of the lists above has.
_ENGLISH_WORDS = """
the and of to at by from with without into over through behind between are be it its his her him their this that these
those there not but so very more less all every some any one two three ten up down out off like while when where then
make makes making turn turns turned add adds added change changes changed replace remove removes delete keep put give
gives set let transform convert edit show look looks effect video clip shot camera background foreground sky street city
night day morning evening sunset sunrise dawn dusk rain snow fog storm wind fire water sea forest light lights lighting
dark bright color colour colors colours black white red blue green gold neon vintage old new heavy soft slow fast motion
woman girl boy person people child dog car house room wall floor tree trees winter summer spring autumn falls falling
painting watercolor watercolour cartoon cinematic realistic movie space dragon face hair shirt dress glasses oil sketch
clay style as in on an i you your my me we our us he she they who what which if or than too also just only even still
again around across under above below near far along against inside outside during before after horse bird fish moon sun
star stars cloud clouds leaf leaves flower flowers grass field beach road bridge building tower window door table chair
book sign text word words caption logo name poster mood dreamy stormy rainy snowy sunny foggy misty golden silver metal
glass wood stone ice lava smoke ghost zombie monster hero king queen army knight castle village town harbour harbor
skyline desert jungle mountain mountains river lake ocean underwater island world planet alien ship boat train plane
truck bus bike wheel engine stall shop bar restaurant market concert battle dance dances dancer singing song music band
game race ad commercial interior swirls mural palette beats aesthetic close-up slow-motion black-and-white stop-motion
soldiers land vibe feel touch everything everyone nothing something wearing walking running flying burning glowing
shining colored coloured high low big small large tiny huge wide
"""

# Words with accents, and phrases, that English has taken over.
_LOAN_WORDS = """
café cafés naïve façade décor fiancé fiancée résumé cliché clichés jalapeño jalapeños piñata piñatas señor señora
señorita fútbol déjà crème brûlée mâché papier-mâché vis-à-vis doppelgänger doppelgängers über döner smörgåsbord
ångström phở bánh mì trompe-l'œil l'œil vérité cinéma gemütlich née né protégé touché passé risqué sauté sautéed purée
soufflé entrée matinée lamé appliqué exposé élan fête château châteaux rosé pâté açaí niño niña skål fjörd très séance
tête-à-tête scène première étude frappé glacé moiré piqué plissé retroussé appliquéd macramé consommé flambé maître
"""
_LOAN_PHRASES = re.compile(
    r"\b(à la|a la|hasta la vista|c['’]est la vie|joie de vivre|je ne sais quoi|mise en scène|mise en scene|dolce vita"
    r"|día de (los )?muertos|dia de (los )?muertos|feliz navidad|que sera,? sera|crème de la crème|la la land"
    r"|et (al|cetera)|de facto|lo fi|tour de france|pièce de résistance|pas de deux|en (plein air|masse|route)"
    r"|coup d['’]état|trompe[- ]l['’](œ|oe)il|film noir|art nouveau|avant garde|haute couture|os x|du jour"
    r"|belle époque|fin de siècle|cinco de mayo|vice versa|ad hoc|mi casa|die hard)\b",
    re.IGNORECASE,
)
MAX_READ = 4000
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|『[^』]*』|(?<!\w)['‘][^'’]*['’](?!\w)")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ELISION = re.compile(r"(l|d|c|j|n|s|qu|dell|all|nell|sull|dall|un)['’][a-zà-ÿœ]", re.IGNORECASE)
_ACCENT = re.compile("[À-ÖØ-öø-ɏḀ-ỿ]")

_FOREIGN = frozenset(_FOREIGN_WORDS.split())
_NOUNS = frozenset(_GERMAN_NOUNS.split())
_SMALL = frozenset(_SMALL_WORDS.split())
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_JOINTS = frozenset(_JOINT_WORDS.split())
_LOANS = frozenset(_LOAN_WORDS.split())


def judge_language(text: str) -> str | None:
    """None for what may be English, `script` for another script, `language` for another language in Latin letters.

    A guess from few words, which rather lets a doubtful prompt pass. What stands in quotes does not count.
    """
    # Some characters become eighteen, and the patterns take quadratic time (57 s for 100,000 quotes, measured).
    text = unicodedata.normalize("NFKC", text[:MAX_READ])[:MAX_READ]
    unquoted = _QUOTED.sub(" ", text)
    text = unquoted if _WORD.search(unquoted) else text
    if _is_other_script(text):
        return "script"
    text = text.lower() if text.isupper() else text
    return "language" if _is_other_language(_LOAN_PHRASES.sub(" ", text)) else None


def _is_other_script(text: str) -> bool:
    """Most of it, where a character that is a word or a syllable counts for two letters."""
    latin = other = 0
    for letter in filter(str.isalpha, text):
        name = unicodedata.name(letter, "")
        if name.startswith(("LATIN", "MODIFIER")):
            latin += 1
        else:
            other += 2 if name.startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL")) else 1
    return other > latin and (other > 2 or not latin)


def _is_other_language(text: str) -> bool:
    """More words of another language than of English: one that is certain, or two that could be names."""
    words = _WORD.findall(text)
    certain: set[str] = set()
    small: set[str] = set()
    for number, word in enumerate(words):
        kind = _kind(word, is_first=number == 0)
        around = "".join(each[:1] for each in (*words[max(0, number - 1) : number], *words[number + 1 : number + 2]))
        if kind == "small" and not (word in _JOINTS and len(around) == 2 and around.isupper()):
            small.add(word.lower())
        elif kind == "certain":
            certain.add(word.lower())
    english = sum(_kind(word, is_first=False) == "english" for word in words)
    return (bool(certain) or len(small) > 1) and len(certain) + len(small) > english


def _kind(word: str, *, is_first: bool) -> str:
    """A capital in the middle of a sentence is a name's, or a German noun's."""
    lower = word.lower().replace("i\u0307", "i")  # what becomes of the Turkish capital İ
    is_name = word[0].isupper()
    is_first &= len(word) == 1 or not word.isupper()  # MIT
    if lower in _ENGLISH or (lower.endswith("ing") and lower.isascii() and lower not in _FOREIGN):
        return "english"
    if lower in _NOUNS or (lower in _FOREIGN and (is_first or not is_name)):
        return "certain"
    if (lower in _SMALL or _ELISION.match(word)) and (is_first or not is_name):
        return "small"
    is_accented = _ACCENT.search(word) and not is_name and lower not in _LOANS
    return "certain" if is_accented else "unknown"
