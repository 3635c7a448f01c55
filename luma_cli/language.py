"""Which language a prompt is in, as far as a few words tell: the service reads English only."""

import re
import unicodedata

# Words that a language cannot do without and that are no English words.
_FOREIGN_WORDS = """
el los las una unos unas del al por para sobre entre hacia desde como muy más pero también cuando donde este esta
estos estas ese esa sus haz añade agrega cambia convierte quita elimina pon nieve lluvia noche cielo calle hombre
mujer fondo fuerte cae le les des du aux et est une dans avec sans sur sous vers chez très mais comme cette ces ses
leur ajoute ajoutez changez transforme transformez supprime supprimez enlève neige pluie nuit ciel rue homme femme
fond der das dem ein eine einen einem einer eines und ist mit ohne für auf aus nach von vor zu zum zur über unter
durch nicht sehr aber auch wie dieser diese dieses füge mache mach ändere verwandle entferne schnee regen nacht himmel
straße mann frau hintergrund fällt os um uma uns umas na nos nas pelo pela sem até mas também muito quando onde esse
essa adicione adicionar mude remova faça coloque neve chuva noite céu rua homem mulher fundo cai forte il lo gli di
della dello degli delle dei nel nella nello sul sulla senza tra fra molto più anche ma dove questo questa aggiungi
aggiungere trasforma rimuovi togli metti piove notte strada uomo donna sfondo che cade het een van voor zonder naar
uit bij over onder niet zeer maar ook als deze dit voeg toe maak verander verwijder sneeuw lucht straat vrouw
achtergrond valt zware zwaar w z od dla przez bez oraz jest się jak ale też bardzo ta to tego dodaj zmień usuń zamień
zrób śnieg deszcz noc niebo ulica ulicy kobieta mężczyzna tło pada bir ve ile için gibi ama çok daha bu şu olarak ekle
değiştir kaldır yap dönüştür kar yağmur gece gökyüzü sokak kadın arka yoğun yağıyor yağsın một và với cho của là trong
trên dưới không rất nhưng này thêm thay đổi biến xóa tuyết mưa đêm bầu trời phố dan yang ke dari untuk dengan tanpa
sangat tetapi ini itu tambahkan ubah hapus buat jadikan salju hujan malam langit jalan pria wanita latar turun lebat
un la de toda todo todos todas tout toute tous fais fait rouge colores couleurs cores colori kleuren farben warna
estilo stile stijl stil cena scena escena scène szene cidade ciudad ville città stad stadt tutta tutto tutti vecchio
rosso rojo vermelho seperti seluruh orang gaya merah menjadi hele alle rode haar hem zijn worden wordt werden wird ser
sein être essere zoals alsof parecer apparaître caldi calientes quentes warme eski yeni stary nowy czerwony kırmızı
"""

# Words of English prompts, the short ones that other languages share among them.
_ENGLISH_WORDS = """
a an the and or of to in on at by from with without into over under through behind between as is are be it its his her
their this that these those there no not but so very more less all every some any one two up down out off like while
when where then make makes making turn turns turned add adds added change changes replace remove removes keep put give
set let transform convert edit show look looks style effect scene video clip shot camera background foreground sky
street city night day morning evening sunset sunrise dawn dusk rain snow fog storm wind fire water sea forest light
lights lighting dark bright color colour colors colours black white red blue green gold neon vintage old new heavy
soft slow fast motion man woman girl boy person people child dog cat car house room wall floor tree trees winter
summer spring autumn falls falling painting watercolor anime cartoon cinematic realistic film movie space robot dragon
face hair shirt dress hat glasses noir pixel art oil sketch clay
"""

# Loan words that English writes with their accents.
_LOAN_WORDS = "café cafés naïve façade décor fiancé fiancée résumé cliché jalapeño piñata el niño são"

_FOREIGN = frozenset(_FOREIGN_WORDS.split())
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_LOANS = frozenset(_LOAN_WORDS.split())


def judge_language(text: str) -> str | None:
    """None for what may be English, `script` for another script, `language` for another language in Latin letters.

    A guess from few words: it lets a doubtful prompt pass.
    """
    letters = [each for each in unicodedata.normalize("NFC", text) if each.isalpha()]
    foreign_letters = sum(not unicodedata.name(each, "").startswith("LATIN") for each in letters)
    if letters and foreign_letters > len(letters) * 0.3:
        return "script"
    words = set(re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", unicodedata.normalize("NFC", text).casefold()))
    english = sum(word in _ENGLISH for word in words)
    foreign = sum(_is_foreign(word) for word in words)
    return "language" if foreign > english and (foreign > 1 or english == 0) else None


def _is_foreign(word: str) -> bool:
    if word in _LOANS or word in _ENGLISH:
        return False
    return word in _FOREIGN or not word.isascii()
