from luma_cli.video.media import Media, Track


def media(*tracks: Track) -> Media:
    return Media("mp4", 5.0, tracks)


def test_the_longest_enabled_picture_plays() -> None:
    still = Track(0, "video", "mjpeg", is_cover=True, duration=60.0)
    hidden = Track(1, "video", "h264", is_enabled=False, duration=30.0)
    short = Track(2, "video", "h264", duration=2.0)
    long = Track(3, "video", "hevc", duration=5.0, width=640, height=360)

    assert media(still, hidden, short, long).picture == long
    assert (media(long).codec, media(long).width, media(long).height) == ("hevc", 640, 360)


def test_of_disabled_pictures_one_plays_all_the_same() -> None:
    hidden = Track(0, "video", "h264", is_enabled=False, duration=3.0)

    assert media(hidden).picture == hidden


def test_a_cover_is_not_a_picture() -> None:
    found = media(Track(0, "audio"), Track(1, "video", "png", is_cover=True))

    assert found.picture is None
    assert (found.codec, found.width, found.frame_rate) == (None, None, None)
