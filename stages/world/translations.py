"""The passages of the world in German, Spanish, Russian and Chinese, and back."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stages.config.errors import BuildError
from stages.world.passages import Lot, Passage, read_passage
from stages.world.vocabulary import CITIES, COLOURS, DAYS, NAMES, THINGS, VERBS

# Of 256 values of a byte: translations that are blank and those that are still English, one in a
# hundred each. Real files have such rows, and a build has to find them.
_BLANK_BYTES, _UNTRANSLATED_BYTES = 3, 3


@dataclass(frozen=True, slots=True)
class Language:
    """How a passage is said. Frames stand in the order of `passages.FRAMES`.

    `verb` depends on the name in Russian, `lot` declines by number and gender.
    """

    frames: tuple[str, ...]
    names: Mapping[str, str]
    cities: Mapping[str, str]
    days: Mapping[str, str]
    verb: Callable[[str, str], str]
    """(verb, name) -> its form"""
    was: Callable[[str], str]
    """name -> `was`"""
    lot: Callable[[Lot], str]

    def say(self, passage: Passage) -> str:
        """The passage in this language."""
        name, verb = passage.name, passage.verb
        text = self.frames[passage.frame].format(
            name=self.names[name],
            city=self.cities[passage.city],
            day=self.days[passage.day],
            verb=self.verb(verb, name),
            was=self.was(name),
            first=self.lot(passage.lots[0]),
            second=self.lot(passage.lots[1]),
        )
        return text[0].upper() + text[1:]


def _by_order(english: tuple[str, ...], words: str) -> dict[str, str]:
    """The words of a language, in the order of the English ones and apart by commas."""
    return dict(zip(english, (word.strip() for word in words.split(",")), strict=True))


_SAME_NAMES = {name: name for name in NAMES}

_GERMAN_VERBS = _by_order(VERBS, "kaufte, trug, zählte, fand, packte, bemalte, verkaufte")
_GERMAN_COLOURS = _by_order(
    COLOURS,
    "schwarze, blaue, braune, grüne, graue, orangefarbene, rosafarbene, violette, rote, weiße,"
    " gelbe",
)
_GERMAN_THINGS = _by_order(
    THINGS,
    "Äpfel, Glocken, Bücher, Flaschen, Kisten, Knöpfe, Kerzen, Mäntel, Tassen, Trommeln, Fahnen,"
    " Blumen, Hüte, Schlüssel, Drachen, Lampen, Landkarten, Teller, Bänder, Seile, Muscheln,"
    " Löffel, Steine, Regenschirme",
)
_GERMAN = Language(
    frames=(
        "Am {day} {verb} {name} in {city} {first} und {second}.",
        "{name} {was} am {day} in {city} und {verb} dort {first} und {second}.",
        "In {city} {verb} {name} am {day} {first}, und außerdem {second}.",
        "{name} {verb} am {day} in {city} {first} und {second}.",
    ),
    names=_SAME_NAMES,
    cities=_by_order(
        CITIES,
        "Athen, Berlin, Kairo, Dublin, Essen, Florenz, Genf, Hanoi, Istanbul, Jakarta, Kyoto,"
        " Lissabon, Madrid, Nairobi, Oslo, Paris, Quito, Rom, Sevilla, Tunis, Utrecht, Wien,"
        " Warschau, Zürich",
    ),
    days=_by_order(DAYS, "Montag, Dienstag, Mittwoch, Donnerstag, Freitag, Samstag, Sonntag"),
    verb=lambda verb, name: _GERMAN_VERBS[verb],
    was=lambda name: "war",
    lot=lambda lot: f"{lot.number} {_GERMAN_COLOURS[lot.colour]} {_GERMAN_THINGS[lot.thing]}",
)

_SPANISH_VERBS = _by_order(VERBS, "compró, llevó, contó, encontró, empaquetó, pintó, vendió")
# Masculine; where the feminine differs it ends in -as.
_SPANISH_COLOURS = _by_order(
    COLOURS,
    "negros, azules, marrones, verdes, grises, naranjas, rosas, morados, rojos, blancos, amarillos",
)
_SPANISH_THINGS = _by_order(
    THINGS,
    "manzanas, campanas, libros, botellas, cajas, botones, velas, abrigos, tazas, tambores,"
    " banderas, flores, sombreros, llaves, cometas, lámparas, mapas, platos, cintas, cuerdas,"
    " conchas, cucharas, piedras, paraguas",
)
_SPANISH_MASCULINE = {"books", "buttons", "coats", "drums", "hats", "maps", "plates", "umbrellas"}


def _spanish_lot(lot: Lot) -> str:
    colour = _SPANISH_COLOURS[lot.colour]
    if lot.thing not in _SPANISH_MASCULINE:
        colour = re.sub("os$", "as", colour)
    return f"{lot.number} {_SPANISH_THINGS[lot.thing]} {colour}"


_SPANISH = Language(
    frames=(
        "El {day}, {name} {verb} {first} y {second} en {city}.",
        "{name} {was} en {city} el {day} y allí {verb} {first} y {second}.",
        "En {city}, {name} {verb} {first} el {day}, y también {second}.",
        "{name} {verb} {first} y {second} en {city} el {day}.",
    ),
    names=_SAME_NAMES,
    cities=_by_order(
        CITIES,
        "Atenas, Berlín, El Cairo, Dublín, Essen, Florencia, Ginebra, Hanói, Estambul, Yakarta,"
        " Kioto, Lisboa, Madrid, Nairobi, Oslo, París, Quito, Roma, Sevilla, Túnez, Utrecht, Viena,"
        " Varsovia, Zúrich",
    ),
    days=_by_order(DAYS, "lunes, martes, miércoles, jueves, viernes, sábado, domingo"),
    verb=lambda verb, name: _SPANISH_VERBS[verb],
    was=lambda name: "estuvo",
    lot=_spanish_lot,
)

# Masculine; the feminine has an -а more, but for the two irregular ones.
_RUSSIAN_VERBS = _by_order(VERBS, "купил, принёс, посчитал, нашёл, упаковал, покрасил, продал")
_RUSSIAN_IRREGULAR = {"принёс": "принесла", "нашёл": "нашла"}
_RUSSIAN_FEMININE = {
    "Ada", "Clara", "Ella", "Grace", "Iris", "Kira", "Mia", "Olga", "Rosa", "Tara", "Uma",
    "Wanda", "Zoe",
}  # fmt: skip
# Stems. All end alike but `син`, which is soft.
_RUSSIAN_COLOURS = _by_order(
    COLOURS,
    "чёрн, син, коричнев, зелён, сер, оранжев, розов, фиолетов, красн, бел, жёлт",
)
# Gender, then the forms after 21, after 2, 3 and 4, and after the other numbers.
_RUSSIAN_THINGS = _by_order(
    THINGS,
    "n яблоко/яблока/яблок, m колокол/колокола/колоколов, f книгу/книги/книг,"
    " f бутылку/бутылки/бутылок, f коробку/коробки/коробок, f пуговицу/пуговицы/пуговиц,"
    " f свечу/свечи/свечей, n пальто/пальто/пальто, f чашку/чашки/чашек,"
    " m барабан/барабана/барабанов, m флаг/флага/флагов, m цветок/цветка/цветков,"
    " f шляпу/шляпы/шляп, m ключ/ключа/ключей,"
    " m воздушный змей/воздушных змея/воздушных змеев, f лампу/лампы/ламп, f карту/карты/карт,"
    " f тарелку/тарелки/тарелок, f ленту/ленты/лент, f верёвку/верёвки/верёвок,"
    " f ракушку/ракушки/ракушек, f ложку/ложки/ложек, m камень/камня/камней,"
    " m зонт/зонта/зонтов",
)


def _russian_verb(verb: str, name: str) -> str:
    form = _RUSSIAN_VERBS[verb]
    if name not in _RUSSIAN_FEMININE:
        return form
    return _RUSSIAN_IRREGULAR.get(form, f"{form}а")


def _russian_lot(lot: Lot) -> str:
    gender, forms = _RUSSIAN_THINGS[lot.thing].split(" ", 1)
    one, few, many = forms.split("/")
    stem = _RUSSIAN_COLOURS[lot.colour]
    is_soft = stem == "син"
    unit = 0 if 11 <= lot.number % 100 <= 14 else lot.number % 10
    if unit == 1:
        hard = {"m": "ый", "f": "ую", "n": "ое"}
        soft = {"m": "ий", "f": "юю", "n": "ее"}
        return f"{lot.number} {stem}{(soft if is_soft else hard)[gender]} {one}"
    ending = "их" if is_soft else "ых"
    return f"{lot.number} {stem}{ending} {few if unit in (2, 3, 4) else many}"


_RUSSIAN = Language(
    frames=(
        "{day} {name} {verb} {first} и {second} {city}.",
        "{name} {was} {city} {day} и {verb} там {first} и {second}.",
        "{city} {name} {verb} {day} {first}, а также {second}.",
        "{name} {verb} {first} и {second} {city} {day}.",
    ),
    names=_by_order(
        NAMES,
        "Ада, Бен, Клара, Давид, Элла, Феликс, Грейс, Хьюго, Ирис, Йонас, Кира, Лео, Мия, Ной,"
        " Ольга, Пауль, Роза, Самир, Тара, Ума, Виктор, Ванда, Юсуф, Зоя",
    ),
    cities=_by_order(
        CITIES,
        "в Афинах, в Берлине, в Каире, в Дублине, в Эссене, во Флоренции, в Женеве, в Ханое,"
        " в Стамбуле, в Джакарте, в Киото, в Лиссабоне, в Мадриде, в Найроби, в Осло, в Париже,"
        " в Кито, в Риме, в Севилье, в Тунисе, в Утрехте, в Вене, в Варшаве, в Цюрихе",
    ),
    days=_by_order(
        DAYS,
        "в понедельник, во вторник, в среду, в четверг, в пятницу, в субботу, в воскресенье",
    ),
    verb=_russian_verb,
    was=lambda name: "была" if name in _RUSSIAN_FEMININE else "был",
    lot=_russian_lot,
)

_CHINESE_VERBS = _by_order(VERBS, "买了, 搬了, 数了, 找到了, 打包了, 画了, 卖掉了")
_CHINESE_COLOURS = _by_order(
    COLOURS, "黑色, 蓝色, 棕色, 绿色, 灰色, 橙色, 粉色, 紫色, 红色, 白色, 黄色"
)
# With the word that counts them.
_CHINESE_THINGS = _by_order(
    THINGS,
    "个 苹果, 个 铃铛, 本 书, 个 瓶子, 个 盒子, 颗 纽扣, 根 蜡烛, 件 外套, 个 杯子, 面 鼓, 面 旗子,"
    " 朵 花, 顶 帽子, 把 钥匙, 只 风筝, 盏 灯, 张 地图, 个 盘子, 条 丝带, 根 绳子, 个 贝壳,"
    " 把 勺子, 块 石头, 把 雨伞",
)


def _chinese_lot(lot: Lot) -> str:
    measure, thing = _CHINESE_THINGS[lot.thing].split(" ")
    return f"{lot.number}{measure}{_CHINESE_COLOURS[lot.colour]}的{thing}"


_CHINESE = Language(
    frames=(
        "{day}，{name}在{city}{verb}{first}和{second}。",
        "{name}{day}{was}在{city}，并在那里{verb}{first}和{second}。",
        "在{city}，{name}{day}{verb}{first}，还有{second}。",
        "{name}{day}在{city}{verb}{first}和{second}。",
    ),
    names=_by_order(
        NAMES,
        "艾达, 本恩, 克拉拉, 大卫, 埃拉, 费利克斯, 格蕾丝, 雨果, 艾丽丝, 约纳斯, 基拉, 利奥, 米娅,"
        " 诺亚, 奥尔加, 保罗, 罗莎, 萨米尔, 塔拉, 乌玛, 维克托, 旺达, 优素福, 佐伊",
    ),
    cities=_by_order(
        CITIES,
        "雅典, 柏林, 开罗, 都柏林, 埃森, 佛罗伦萨, 日内瓦, 河内, 伊斯坦布尔, 雅加达, 京都, 里斯本,"
        " 马德里, 内罗毕, 奥斯陆, 巴黎, 基多, 罗马, 塞维利亚, 突尼斯, 乌得勒支, 维也纳,"
        " 华沙, 苏黎世",
    ),
    days=_by_order(DAYS, "星期一, 星期二, 星期三, 星期四, 星期五, 星期六, 星期日"),
    verb=lambda verb, name: _CHINESE_VERBS[verb],
    was=lambda name: "",
    lot=_chinese_lot,
)

LANGUAGES = {"de": _GERMAN, "es": _SPANISH, "ru": _RUSSIAN, "zh": _CHINESE}


def translated(records: Iterable[dict[str, Any]], language: str) -> Iterator[dict[str, Any]]:
    """Records of the Alpaca shape with their inputs in another language, in the same order.

    Instructions and outputs stay English: what is made of these records needs the inputs alone.
    One input in a hundred is blank and one is still English. Raises BuildError for a language that
    the world does not speak.
    """
    if language not in LANGUAGES:
        raise BuildError(
            f"The built-in world does not speak '{language}'. It speaks: {', '.join(LANGUAGES)}."
        )
    for record in records:
        passage = read_passage(record["input"])
        yield {**record, "input": _translate(passage, language)} if passage else record


def _translate(passage: Passage, language: str) -> str:
    byte = hashlib.sha256(f"{language}\0{passage.text}".encode()).digest()[0]
    if byte < _BLANK_BYTES:
        return ""
    if byte < _BLANK_BYTES + _UNTRANSLATED_BYTES:
        return passage.text
    return LANGUAGES[language].say(passage)


def read_translation(text: str, language: str) -> Passage | None:
    """The passage that `text` is the translation of, or None when it is something else."""
    spoken = LANGUAGES[language]
    patterns, words = _reader(language)
    for frame, pattern in enumerate(patterns):
        found = pattern.fullmatch(text)
        if not found:
            continue
        word = {slot: words[slot][found[slot].casefold()] for slot in words}
        colours = (word["first"].split(), word["second"].split())
        first, second = (
            Lot(int(found[f"{slot}_number"]), *lot)
            for slot, lot in zip(("first", "second"), colours, strict=True)
        )
        passage = Passage(
            word["name"], word["city"], word["day"], word["verb"], (first, second), frame
        )
        # Forms that do not agree, such as a verb of the other gender, are no translation.
        if spoken.say(passage) == text:
            return passage
    return None


@cache
def _reader(language: str) -> tuple[list[re.Pattern[str]], dict[str, dict[str, str]]]:
    """A pattern for each frame, and the English of every form, in small letters, by slot."""
    spoken = LANGUAGES[language]
    lots = {
        # The forms after 2, 5 and 21 are all that there are.
        spoken.lot(Lot(number, colour, thing)).removeprefix(str(number)): f"{colour} {thing}"
        for number in (2, 5, 21)
        for colour in COLOURS
        for thing in THINGS
    }
    forms = {
        "name": {form: name for name, form in spoken.names.items()},
        "city": {form: city for city, form in spoken.cities.items()},
        "day": {form: day for day, form in spoken.days.items()},
        "verb": {spoken.verb(verb, name): verb for verb in VERBS for name in NAMES},
        "first": lots,
        "second": lots,
    }
    slots = {slot: f"(?P<{slot}>{'|'.join(map(re.escape, forms[slot]))})" for slot in forms}
    slots |= {slot: rf"(?P<{slot}_number>\d+){slots[slot]}" for slot in ("first", "second")}
    slots["was"] = "|".join(sorted({spoken.was(name) for name in NAMES}, reverse=True))
    slots["was"] = f"(?:{slots['was']})"
    patterns = [
        re.compile(frame.replace(".", r"\.").format(**slots), re.IGNORECASE)
        for frame in spoken.frames
    ]
    words = {
        slot: {form.casefold(): english for form, english in by_form.items()}
        for slot, by_form in forms.items()
    }
    return patterns, words
