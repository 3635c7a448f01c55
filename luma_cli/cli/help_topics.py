"""The texts of `luma help TOPIC`."""

from luma_cli.api.models import ModelDescription, describe_models
from luma_cli.api.task import DEFAULT_MODEL
from luma_cli.errors import EXIT_CODES, UsageError
from luma_cli.output.schema import schema

ENVIRONMENT = (
    ("LUMA_API_KEY", "the API key; before KIE_API_KEY, LUMA_API_KEY_FILE, api_key_command, credentials.toml"),
    ("KIE_API_KEY", "the same, under the name that other tools use; not for an address of LUMA_BASE_URL"),
    ("LUMA_API_KEY_FILE", "a file that holds the key, such as a mounted secret"),
    ("LUMA_BASE_URL", "the API's address; https, or http on this machine"),
    ("LUMA_UPLOAD_URL", "the upload host's address"),
    ("LUMA_MODEL", "the edit model, such as luma"),
    ("LUMA_DAILY_CREDITS", "how many credits may be spent in a day, over all processes of the journal"),
    ("LUMA_INTERVAL", "how often to ask while waiting, such as 10s"),
    ("LUMA_TIMEOUT", "how long to wait, such as 15m; 0 for no limit"),
    ("LUMA_OUTPUT_DIR", "where `luma download` and `luma batch` save when -o is not given"),
    ("LUMA_FFMPEG", "the ffmpeg to use, instead of the one on PATH"),
    ("LUMA_WEBHOOK_KEY", "the key that signs callbacks"),
    ("LUMA_CONFIG_DIR", "the folder of config.toml and credentials.toml"),
    ("LUMA_STATE_DIR", "the folder of the journal"),
    ("LUMA_JOURNAL", "set to off, no journal is kept, and money is spent all the same"),
    ("LUMA_OSC", "set to off, no links and no progress for the terminal's tab are sent"),
    ("LUMA_DEBUG", "set to 1, a failure shows its traceback"),
    ("HTTPS_PROXY NO_PROXY", "proxies, as curl reads them; this machine itself is never proxied"),
    ("REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE", "a file of trusted certificates; the first that is set counts"),
    ("PYTHONPATH", "folders that Python searches first; an old library in one of them is named by `luma config check`"),
    ("VISUAL EDITOR", "the editor of `luma config edit`"),
    ("NO_COLOR FORCE_COLOR TERM COLUMNS", "colour and width of what is drawn on a terminal"),
)

JSON = """\
--json prints one object per task and line on stdout, as soon as it is known. Keys are only ever added.

schema         "luma/1"
taskId         the task
model          the edit model that made it
state          generating succeeded create_failed generate_failed unknown
successFlag    the service's own number for the state
credits        what it cost, null if that was not seen
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
parentTaskId   the edit whose result was edited again
pieces         the pieces of a split edit
files          what was saved: path bytes sha256 deliveredSha256 url; sha256 is the saved file's

estimatedSeconds
               status only: what your own finished tasks took, three or more
label outcome source submittedAt idempotencyKey expiresAt
               tasks only; expiresAt is when kie.ai deletes what is not saved yet

What is absent is null. On failure the last line of stderr is
{"schema":"luma/1","error":{code,message,hint,exitCode,apiCode,httpStatus,retryable,taskId}}.
error.code is one of usage_error key_rejected task_failed rejected unavailable still_generating mixed_outcomes
out_of_credits file_error outcome_unknown interrupted aborted internal_error; the set only grows.
What the checks before a submission found is {"schema":"luma/1","findings":[{name,level,message,hint,video}]} on
stderr, and stands in the error if it is the reason. A row of a batch has id, line and error beside the task's keys.

The JSON Schema of all this: luma help json --json"""

CI = """\
A step needs the key in LUMA_API_KEY, from the CI's secrets, and one line:

    luma modify clip.mp4 -p "Heavy snow falls at night" --idempotency-key auto -o snow.mp4

Without a terminal nothing asks and nothing moves: one line per change of state, and one a minute.
Exit codes say what to do next: luma help exit-codes. Without a key or money: luma sandbox -- COMMAND.

A job that failed, ran into its limit or was cancelled continues the same task when it is run again, and pays nothing,
if the journal (LUMA_STATE_DIR) outlives the job. A cache does that only when set up so:

GitHub: actions/cache saves only when the job succeeds, and never overwrites a key. So restore and save are two steps,
saving is done always, and the key holds run and attempt:

    - uses: actions/cache/restore@v4
      with:
        path: .luma
        key: luma-${{ github.run_id }}-${{ github.run_attempt }}
        restore-keys: luma-
    - run: luma modify clip.mp4 -p "Heavy snow falls at night" --idempotency-key auto -o snow.mp4 --github
      env: { LUMA_API_KEY: "${{ secrets.KIE_API_KEY }}", LUMA_STATE_DIR: .luma }
    - uses: actions/cache/save@v4
      if: always()
      with:
        path: .luma
        key: luma-${{ github.run_id }}-${{ github.run_attempt }}

In a matrix each shard has a cache of its own: luma-${{ matrix.shard }}-… in all three places. Two runs at once do not
see each other's journal: `concurrency: { group: luma, cancel-in-progress: false }` lets the second one wait.
The action of luma's repository does all of this itself, and brings an ffmpeg: runners have none, and without it results
are silent. Elsewhere it comes with: pipx install './luma[ffmpeg]' (or the image's own).

GitLab: a cache is saved when the job succeeds, unless it says `when: always`:

    cache: { key: "luma-$CI_JOB_NAME_SLUG-$CI_NODE_INDEX", paths: [.luma], when: always }
    variables: { LUMA_STATE_DIR: .luma }
    resource_group: luma

Keep LUMA_TIMEOUT below the job's own limit, so that luma ends by itself (8) and the journal is saved."""

PROMPTS = """\
A prompt says what the finished clip looks like, in English (other models: luma help models). It is not a chat.

Name what changes, and how it looks
    the subject, its material, light, weather, time of day, style: "Heavy snow falls at night, street lamps glow
    warm, wet asphalt reflects them". One change at a time comes out better than five.
Name what must stay
    "the woman and her movement stay as they are", "keep the camera move", "same framing". What is not named may change.
Describe motion as it is in the clip
    the edit follows the movement of the source: a person who walks cannot be made to sit.
Be concrete
    "a red 1960s convertible" instead of "a cooler car"; a named look ("hand-drawn ink, thin lines, paper grain")
    instead of "artistic".

What not to write
    what should not be there ("no cars"): describe what is there instead ("an empty street").
    commands to the tool ("please edit this video so that …"), lengths, sizes, frame rates and file formats.
    text that is to be read in the picture: letters come out wrong.
    real people by name, brands and film characters: refused for good, trying again does not help.
    nudity, gore, violence against people: refused, now and then only at a second try.

How to work
    $ luma modify clip.mp4 -p "Heavy snow falls at night" --takes 3 -o takes/
    $ luma report -o takes.html                 compare the takes side by side
    $ luma redo @last -p "Light snow at dusk"   change a word and go again
There is no seed: the same prompt again is another take. Clips with one steady shot and a clear subject work best.

Keep a prompt by name, and use it with @ in -p
    $ luma config set prompt.snow "Heavy snow falls at night"
    $ luma modify clip.mp4 -p @snow
A prompt that begins with a plain @ is written @@."""


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


def members(topic: str | None) -> dict[str, object]:
    """For --json: the JSON Schema as topic `json`, else the text of the topic."""
    if topic == "json":
        return schema()
    return {"topic": topic, "text": text(topic)}


def scenario_lines() -> list[str]:
    """What the sandbox can be asked to do, a line for each scenario."""
    from luma_cli.sandbox import SCENARIOS  # a whole HTTP server comes with it, which no other topic needs

    width = max(map(len, SCENARIOS))
    return [f"{name:<{width}}  {meaning}" for name, meaning in SCENARIOS.items()]


def _environment() -> str:
    return "\n".join(f"{name}\n    {meaning}" for name, meaning in ENVIRONMENT)


def _exit_codes() -> str:
    return "\n".join(f"{entry.code:>3}  {entry.meaning}" + _next(entry.next_step) for entry in EXIT_CODES)


def _next(step: str) -> str:
    return f"\n     next: {step}" if step else ""


def _sandbox() -> str:
    return "\n".join(
        (
            "A local mock of the service: it needs no key, no money and no network.",
            "",
            '    luma sandbox -- luma modify clip.mp4 -p "Heavy snow falls at night" -o snow.mp4',
            "",
            "--scenario NAME lets every edit meet one of these; a prompt that begins with sandbox:NAME, as in",
            '-p "sandbox:flag3 Heavy snow", lets only that edit meet it:',
            "",
            *(f"    {line}" for line in scenario_lines()),
            "",
            "Options: luma sandbox --help",
        )
    )


def _models() -> str:
    return "\n".join(
        (
            "A model is chosen with --model NAME, the setting `model` or LUMA_MODEL. The same commands, journal,",
            "checks and promises hold for all of them. --set NAME=VALUE sets what is the model's own.",
            *(line for model in describe_models() for line in ("", *_model(model))),
        )
    )


def _model(model: ModelDescription) -> list[str]:
    """A model's block: what it takes, and what can be set."""
    facts = {"clip": model.clip, "prompt": model.prompt, "watermark": model.watermark, "sound": model.sound}
    default = " (the default)" if model.name == DEFAULT_MODEL else ""
    lines = [f"{model.name}  {model.title}{default}"]
    lines += [f"    {name:<10} {fact}" for name, fact in {**facts, "price": model.price}.items()]
    return lines + [f"    --set {name}={values}" for name, values in model.options]


_TOPICS = {
    "environment": _environment,
    "exit-codes": _exit_codes,
    "json": JSON.strip,
    "ci": CI.strip,
    "prompts": PROMPTS.strip,
    "models": _models,
    "sandbox": _sandbox,
}
TOPICS = tuple(_TOPICS)
