"""The texts of `luma help TOPIC`."""

from luma_cli.errors import EXIT_CODES, UsageError
from luma_cli.output.schema import schema

ENVIRONMENT = (
    ("LUMA_API_KEY", "the API key; before KIE_API_KEY, LUMA_API_KEY_FILE, api_key_command, credentials.toml"),
    ("KIE_API_KEY", "the same, under the name that other tools use"),
    ("LUMA_API_KEY_FILE", "a file that holds the key, such as a mounted secret"),
    ("LUMA_BASE_URL", "the API's address; https, or http on this machine"),
    ("LUMA_UPLOAD_URL", "the upload host's address"),
    ("LUMA_INTERVAL", "how often to ask while waiting, such as 10s"),
    ("LUMA_TIMEOUT", "how long to wait, such as 15m; 0 for no limit"),
    ("LUMA_OUTPUT_DIR", "where `luma download` and `luma batch` save when -o is not given"),
    ("LUMA_WEBHOOK_KEY", "the key that signs callbacks"),
    ("LUMA_CONFIG_DIR", "the folder of config.toml and credentials.toml"),
    ("LUMA_STATE_DIR", "the folder of the journal"),
    ("LUMA_JOURNAL", "set to off, no journal is kept, and money is spent all the same"),
    ("LUMA_OSC", "set to off, no links and no progress for the terminal's tab are sent"),
    ("LUMA_DEBUG", "set to 1, a failure shows its traceback"),
    ("HTTPS_PROXY NO_PROXY", "proxies, as curl reads them; this machine itself is never proxied"),
    ("REQUESTS_CA_BUNDLE CURL_CA_BUNDLE", "a file of trusted certificates"),
    ("VISUAL EDITOR", "the editor of `luma config edit`"),
    ("NO_COLOR FORCE_COLOR TERM COLUMNS", "colour and width of what is drawn on a terminal"),
)

JSON = """\
--json prints one object per task and line on stdout, as soon as it is known. Keys are only ever added.

schema         "luma/1"
taskId         the task
state          generating succeeded create_failed generate_failed unknown
successFlag    the service's own number for the state
prompt videoUrl watermark callbackUrl
               what was asked for
createTime completeTime
               RFC 3339 in UTC
elapsedSeconds from creation to the end, or to now
resultUrls     links to the results; they expire
originUrls     links to the source
errorCode errorMessage
               why it failed
warnings       callback_failed: the video is there, only the callback was not delivered
files          what was saved: path bytes sha256 url

estimatedSeconds
               status only: what your own finished tasks took, three or more
label outcome source submittedAt idempotencyKey expiresAt
               tasks only; expiresAt is when kie.ai deletes what is not saved yet

What is absent is null. On failure the last line of stderr is
{"schema":"luma/1","error":{code,message,hint,exitCode,apiCode,httpStatus,retryable,taskId}}.
What the checks before a submission found is {"schema":"luma/1","findings":[{name,level,message,hint,video}]} on
stderr, and stands in the error where it is the reason. A row of a batch has id, line and error beside the task's keys.

The JSON Schema of all this: luma help json --json"""

CI = """\
A step needs the key in LUMA_API_KEY, from the CI's secrets, and one line:

    luma modify clip.mp4 -p "Heavy snow falls at night" --idempotency-key auto -o snow.mp4

Without a terminal nothing asks and nothing moves: one line per change of state, and one a minute.
A step that is run again continues the same task when LUMA_STATE_DIR is kept between runs (a cache).
Exit codes say what to do next: luma help exit-codes. Without a key or money: luma sandbox -- COMMAND."""


def text(topic: str | None) -> str:
    """The lines of a topic, or the list of topics for None.

    Raises:
        UsageError: no such topic.
    """
    if topic is None:
        return "Topics: luma help " + "|".join(_TOPICS) + "\nCommands: luma --help, luma COMMAND --help"
    if topic not in _TOPICS:
        raise UsageError(f"no help topic {topic[:40]!a}", hint=f"topics: {' '.join(_TOPICS)}")
    return _TOPICS[topic]()


def _environment() -> str:
    return "\n".join(f"{name}\n    {meaning}" for name, meaning in ENVIRONMENT)


def _exit_codes() -> str:
    return "\n".join(f"{each.code:>3}  {each.meaning}" + _next(each.next_step) for each in EXIT_CODES)


def _next(step: str) -> str:
    return f"\n     next: {step}" if step else ""


def members(topic: str | None) -> dict[str, object]:
    """For --json: the JSON Schema as topic `json`, else the text of the topic."""
    if topic == "json":
        return schema()
    return {"topic": topic, "text": text(topic)}


_TOPICS = {"environment": _environment, "exit-codes": _exit_codes, "json": JSON.strip, "ci": CI.strip}
