"""What containers call their codecs, under the names that ffmpeg gives them."""

# Sample entries of MP4 and MOV (mp4ra.org; Apple, QuickTime File Format, 2016-09-13).
_BOXES = {
    "h264": "avc1 avc2 avc3 avc4 dva1 dvav ai1p ai1q ai12 ai13 ai15 ai16 ai5p ai5q ai52 ai53 ai55 ai56",
    "hevc": "hvc1 hev1 hvc2 hev2 dvh1 dvhe",
    "vvc": "vvc1 vvi1",
    "av1": "av01",
    "vp8": "vp08",
    "vp9": "vp09",
    "prores": "apco apcs apcn apch ap4h ap4x",
    "prores_raw": "aprn aprh",
    "mjpeg": "jpeg mjpa mjpb MJPG mjpg AVDJ dmb1",
    "png": "png ",
    "mpeg4": "mp4v 3IVX 3IV1 3IV2 DIVX XVID xvid",
    "mpeg2video": "m2v1 mx5n mx5p mx4n mx4p mx3n mx3p xdv1 xdv2 xdv3 xdv4 xdv5 xdv6 xdv7 xdv8 xdv9 xdva xdvb xdvc xdvd "
    "xdve xdvf xd54 xd55 xd59 xd5a xd5b xd5c xd5d xd5e xd5f hdv1 hdv2 hdv3 hdv4 hdv5 hdv6 hdv7 hdv8 hdv9 hdva",
    "h263": "s263 h263 H263",
    "svq1": "SVQ1 svq1",
    "svq3": "SVQ3",
    "cfhd": "CFHD",
    "dnxhd": "AVdn AVdh",
    "dvvideo": "dvc  dvcp dvpp dv5n dv5p dvh2 dvh3 dvh4 dvh5 dvh6 dvhp dvhq",
    "qtrle": "rle ",
    "cinepak": "cvid",
    "hap": "Hap1 Hap5 HapY HapM HapA",
    "rawvideo": "raw  2vuy yuv2 yuvs v308 v408 v410 v210 r210 b64a",
    "aac": "mp4a",
    "alac": "alac",
    "ac3": "ac-3 sac3",
    "eac3": "ec-3",
    "opus": "Opus",
    "flac": "fLaC",
    "mp3": ".mp3 mp3  ms\x00U",
    "amr_nb": "samr",
    "amr_wb": "sawb",
    "pcm": "sowt twos lpcm in24 in32 fl32 fl64 ipcm fpcm NONE",
    "pcm_mulaw": "ulaw",
    "pcm_alaw": "alaw",
    "adpcm_ima_qt": "ima4",
    "qdm2": "QDM2",
}
# The names of RIFF, in any case. What is not here is named as the file names it.
_RIFF = {
    "h264": "H264 X264 AVC1 DAVC",
    "hevc": "H265 HEVC HVC1 X265",
    "av1": "AV01",
    "vp8": "VP80",
    "vp9": "VP90",
    "mpeg4": "XVID DIVX DX50 FMP4 MP4V M4S2 3IV2 MP4S",
    "msmpeg4v3": "DIV3 MP43 DIV4 AP41",
    "msmpeg4v2": "MP42 DIV2",
    "mjpeg": "MJPG JPEG AVRN DMB1",
    "mpeg2video": "MPG2 MPEG",
    "mpeg1video": "MPG1",
    "dvvideo": "DVSD DVHD DVSL DV25 DVCP",
    "huffyuv": "HFYU",
    "ffvhuff": "FFVH",
    "ffv1": "FFV1",
    "cinepak": "CVID",
    "indeo3": "IV31 IV32",
    "indeo5": "IV50",
    "msvideo1": "MSVC CRAM",
    "wmv1": "WMV1",
    "wmv2": "WMV2",
    "wmv3": "WMV3",
    "rawvideo": "DIB  RGB  YUY2 UYVY I420 YV12 IYUV",
    "prores": "APCN APCH APCS APCO AP4H",
}
# Registered numbers of wave formats (RFC 2361).
WAVE_FORMATS = {
    0x0001: "pcm",
    0x0002: "adpcm_ms",
    0x0003: "pcm",
    0x0006: "pcm_alaw",
    0x0007: "pcm_mulaw",
    0x0011: "adpcm_ima_wav",
    0x0050: "mp2",
    0x0055: "mp3",
    0x00FF: "aac",
    0x0161: "wmav2",
    0x1610: "aac",
    0x2000: "ac3",
    0xFFFE: "pcm",
}
# Object types of an MPEG-4 elementary stream (mp4ra.org).
OBJECT_TYPES = {
    0x20: "mpeg4",
    0x21: "h264",
    0x23: "hevc",
    0x40: "aac",
    **dict.fromkeys(range(0x60, 0x66), "mpeg2video"),
    **dict.fromkeys(range(0x66, 0x69), "aac"),
    0x69: "mp3",
    0x6A: "mpeg1video",
    0x6B: "mp3",
    0x6C: "mjpeg",
    0x6D: "png",
    0xA5: "ac3",
    0xA6: "eac3",
    0xAD: "opus",
    0xDD: "vorbis",
}
PRORES_DEPTHS = {"ap4h": 12, "ap4x": 12}
ENCRYPTED = ("encv", "enca", "drmi", "drms")


def _by_name(table: dict[str, str]) -> dict[str, str]:
    """Names have four characters, of which the last may be a blank, and a blank between them."""
    return {names[place : place + 4]: codec for codec, names in table.items() for place in range(0, len(names), 5)}


BY_BOX, BY_RIFF = _by_name(_BOXES), _by_name(_RIFF)
