"""What a file is by its first bytes."""

import re

HEAD = 4096
# What the service takes (vendor page "Generate Luma Modify Video").
CONTAINERS = ("mp4", "mov", "avi")
# Every kind of video that we can name, and how its files end.
EXTENSIONS = {
    "mp4": ".mp4",
    "mov": ".mov",
    "avi": ".avi",
    "webm": ".webm",
    "mkv": ".mkv",
    "mpegts": ".ts",
    "mpegps": ".mpg",
    "wmv": ".wmv",
    "flv": ".flv",
    "mxf": ".mxf",
    "gif": ".gif",
}
# What may hold nothing but sound. MP4, MOV and AVI may too: their tracks say so.
AUDIO = ("m4a", "wav", "mp3", "flac", "ogg", "aac", "aiff")

# The first that matches. Old QuickTime files have no ftyp and begin with any of their boxes.
_PATTERNS = (
    (rb"\x89PNG\r\n\x1a\n", "png"),
    (rb"\xff\xd8\xff", "jpeg"),
    (rb"GIF8[79]a", "gif"),
    (rb"RIFF.{4}WEBP", "webp"),
    (rb"\x1aE\xdf\xa3.{,60}?\x42\x82.{1,8}webm", "webm"),
    (rb"\x1aE\xdf\xa3", "mkv"),
    (rb"RIFF.{4}AVI ", "avi"),
    (rb"(RIFF|RF64|RIFX).{4}WAVE", "wav"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wmv"),
    (rb"FLV\x01", "flv"),
    (rb"\x00\x00\x01[\xba\xb3]", "mpegps"),
    (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", "mxf"),
    (rb"fLaC", "flac"),
    (rb"OggS\x00", "ogg"),
    (rb"FORM.{4}AIF[FC]", "aiff"),
    (rb"ID3[\x02-\x04]", "mp3"),
    (rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xeb]", "mp3"),
    (rb"\xff[\xf0\xf1\xf8\xf9][\x00-\xff]", "aac"),
    (rb"%PDF-", "pdf"),
    (rb"PK\x03\x04|\x1f\x8b\x08|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", "archive"),
    (rb"version https://git-lfs\.github\.com/spec/", "lfs"),
    (rb"(\xef\xbb\xbf)?\s*(?=<).*?<(?i:!doctype html|html|head|body|title|meta|script)\b", "html"),
    (rb"(\xef\xbb\xbf)?\s*#EXTM3U", "playlist"),
    (rb'(\xef\xbb\xbf)?\s*(\{\s*["}]|\[\s*([\[\]{"\d-]|true|false|null))', "json"),
    (rb"([\t-\r\x1b -~]|[\xc2-\xf4][\x80-\xbf]{1,3})+[\xc2-\xf4]?[\x80-\xbf]{,2}\Z", "text"),
    (rb".{4}ftypqt  ", "mov"),
    (rb".{4}ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1|avif|avis|crx )", "heic"),
    (rb".{4}ftyp(M4A |M4B |M4P |F4A |F4B )", "m4a"),
    (rb".{4}(ftyp|styp|sidx|moof)", "mp4"),
    (rb".{4}(moov|mdat|wide|free|skip|pnot)", "mov"),
    # Packets of 188 bytes, with a time stamp of 4 bytes before each in a camera's M2TS.
    (rb"(.{4})?G.{187}(?(1).{4})G.{187}(?(1).{4})G", "mpegts"),
)

# What to call a kind in a sentence.
NAMES = {
    "mp4": "an MP4 file",
    "mov": "a QuickTime file (MOV)",
    "avi": "an AVI file",
    "webm": "a WebM file",
    "mkv": "a Matroska file (MKV)",
    "mpegts": "an MPEG transport stream (MTS, M2TS, TS)",
    "mpegps": "an MPEG program stream (MPG, VOB)",
    "wmv": "a Windows Media file (WMV, ASF)",
    "flv": "a Flash video (FLV)",
    "mxf": "an MXF file",
    "gif": "a GIF picture",
    "png": "a PNG picture",
    "jpeg": "a JPEG picture",
    "webp": "a WebP picture",
    "heic": "a HEIC or AVIF picture",
    "m4a": "a sound file (M4A)",
    "wav": "a sound file (WAV)",
    "mp3": "a sound file (MP3)",
    "flac": "a sound file (FLAC)",
    "ogg": "an Ogg file",
    "aac": "a sound file (AAC)",
    "aiff": "a sound file (AIFF)",
    "pdf": "a PDF document",
    "archive": "an archive (ZIP, GZ, 7Z or RAR)",
    "lfs": "a Git LFS pointer",
    "playlist": "a playlist (M3U8)",
    "html": "a web page",
    "json": "JSON",
    "text": "text",
}


def sniff(head: bytes) -> str | None:
    """Name what a file is by its first 16 to 4096 bytes: a key of `NAMES`, or None."""
    return next((name for start, name in _PATTERNS if re.match(start, head[:HEAD], re.DOTALL)), None)


def name_of(kind: str | None) -> str:
    """What to call a kind that `sniff` found."""
    return NAMES[kind] if kind else "an unknown kind of file"
