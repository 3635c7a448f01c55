# PowerShell completion for luma. Made from the command tree; do not edit.

$script:LumaWords = @{
    '' = @('modify	Submit one edit for each VIDEO and print the task id(s).', 'redo	Submit the edit of a task once more. It is a new task; the earlier take stays.', 'status	Ask once how tasks stand; without TASK, the last one.', 'wait	Poll until tasks are done. Prints result links, or saved paths with -o, as they finish.', 'download	Save the videos of finished tasks. Prints the paths; without TASK, those of the last one.', 'open	Show a task''s saved file, else its link. The platform''s viewer opens it.', 'batch	Make the edits of a file. Prints one JSON line per row as it ends; run again, it goes on where it stopped.', 'tasks	List and repair the journal. kie.ai itself keeps no list of tasks.', 'config	Show and change settings, and keep the API key.', 'upload	Upload local clips and print their links. These live for about a day.', 'credits	Print the balance in credits.', 'listen	Receive, verify and record callbacks. Prints one JSON line per task as tasks end.', 'report	Make one HTML page of tasks. Shows each source with all its takes side by side, and prints its path.', 'sandbox	Run a local mock of the service. It needs no key, no money, no network.', 'completion	Print a completion script.', 'help	Explain a command, exit codes, prompts, models, CI and more.')
    'modify' = @()
    'redo' = @()
    'status' = @()
    'wait' = @()
    'download' = @()
    'open' = @()
    'batch' = @()
    'tasks' = @('list	List submissions. A terminal shows the newest 20, newest last; a pipe gets all, newest first.', 'show	Show all that is known of tasks (default: the latest).', 'forget	Take tasks and their keys out of the journal. The tasks themselves go on.', 'prune	Take old ended tasks out of the journal. Prints their ids.', 'adopt	Give a submission of unknown outcome its task id. Also records a task from elsewhere.', 'recover	Set a damaged journal aside and take over what can be read.')
    'tasks list' = @()
    'tasks show' = @()
    'tasks forget' = @()
    'tasks prune' = @()
    'tasks adopt' = @()
    'tasks recover' = @()
    'config' = @('list	List the settings in force.', 'get	Print one setting; a secret is masked.', 'set	Store a setting, or a secret typed hidden or read from stdin.', 'unset	Remove a setting or a secret.', 'path	Print the path of config.toml.', 'edit	Open config.toml in $VISUAL or $EDITOR and check it afterwards.', 'check	Check key, credits, clock, folders and installation.')
    'config list' = @()
    'config get' = @()
    'config set' = @()
    'config unset' = @()
    'config path' = @()
    'config edit' = @()
    'config check' = @()
    'upload' = @()
    'credits' = @()
    'listen' = @()
    'report' = @()
    'sandbox' = @()
    'completion' = @()
    'help' = @()
}
$script:LumaFlags = @{
    '' = @('-V	Print the version.', '--version	Print the version.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'modify' = @('-p	What to change (repeatable); @NAME is the setting prompt.NAME.', '--prompt	What to change (repeatable); @NAME is the setting prompt.NAME.', '-F	Read the prompt from a file or stdin.', '--prompt-file	Read the prompt from a file or stdin.', '--takes	Submit each edit N times.', '--model	See luma help models [luma].', '--set	A setting of the model. Repeatable.', '--audio	The sound of a silent result [keep].', '--match	Bring the result back to its source''s frame rate, count and size.', '--fit	Make a local clip fit the model, if it does not.', '--split	Edit a clip that is too long in pieces; needs -o FILE.', '--redo-piece	Make piece I of a split edit again.', '--keep-pieces	Keep the folder with a split edit''s pieces.', '--as-delivered	Save the service''s bytes and nothing else.', '--watermark	Passed to the service.', '--callback-url	Passed to the service.', '-w	Wait; print the result link(s) instead of the id.', '--wait	Wait; print the result link(s) instead of the id.', '-o	Save the video (MP4) there; - is stdout.', '--output	Save the video (MP4) there; - is stdout.', '-f	Overwrite an existing file.', '--force	Overwrite an existing file.', '--interval	How often to ask [10s].', '--timeout	How long to wait, 0: no limit [15m].', '--no-check	Send without looking at prompt and clip.', '--strict	Take what is only doubtful for wrong.', '--trim	Cut a local clip to the model''s length [0s].', '--max-credits	Refuse what would cost more.', '-n	Print the request, send nothing.', '--dry-run	Print the request, send nothing.', '--idempotency-key	Continue the task that has this key instead of paying again; auto derives it.', '--resubmit	Submit although the same submission exists or has an unknown outcome.', '--listen	Take callbacks here; polling every 30s is the safety net.', '--public-url	Where kie.ai reaches the port that is listened on.', '--on-done	Run this at each task''s end, with LUMA_FILE and LUMA_TASK_ID.', '--recipe	Write NAME.mp4.json beside the saved file: what made it.', '--open	Show the result with the platform''s viewer.', '--github	Write step outputs, a summary and annotations for GitHub Actions.', '--notify	Ring the terminal''s bell at the end.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'redo' = @('-p	What to change (repeatable); @NAME is the setting prompt.NAME.', '--prompt	What to change (repeatable); @NAME is the setting prompt.NAME.', '-F	Read the prompt from a file or stdin.', '--prompt-file	Read the prompt from a file or stdin.', '--takes	Submit each edit N times.', '--model	See luma help models [luma].', '--set	A setting of the model. Repeatable.', '--audio	The sound of a silent result [keep].', '--match	Bring the result back to its source''s frame rate, count and size.', '--fit	Make a local clip fit the model, if it does not.', '--split	Edit a clip that is too long in pieces; needs -o FILE.', '--redo-piece	Make piece I of a split edit again.', '--keep-pieces	Keep the folder with a split edit''s pieces.', '--as-delivered	Save the service''s bytes and nothing else.', '--watermark	Passed to the service.', '--callback-url	Passed to the service.', '-w	Wait; print the result link(s) instead of the id.', '--wait	Wait; print the result link(s) instead of the id.', '-o	Save the video (MP4) there; - is stdout.', '--output	Save the video (MP4) there; - is stdout.', '-f	Overwrite an existing file.', '--force	Overwrite an existing file.', '--interval	How often to ask [10s].', '--timeout	How long to wait, 0: no limit [15m].', '--no-check	Send without looking at prompt and clip.', '--strict	Take what is only doubtful for wrong.', '--trim	Cut a local clip to the model''s length [0s].', '--max-credits	Refuse what would cost more.', '-n	Print the request, send nothing.', '--dry-run	Print the request, send nothing.', '--idempotency-key	Continue the task that has this key instead of paying again; auto derives it.', '--resubmit	Submit although the same submission exists or has an unknown outcome.', '--listen	Take callbacks here; polling every 30s is the safety net.', '--public-url	Where kie.ai reaches the port that is listened on.', '--on-done	Run this at each task''s end, with LUMA_FILE and LUMA_TASK_ID.', '--recipe	Write NAME.mp4.json beside the saved file: what made it.', '--open	Show the result with the platform''s viewer.', '--github	Write step outputs, a summary and annotations for GitHub Actions.', '--notify	Ring the terminal''s bell at the end.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'status' = @('--exit-status	Exit 5 for a failed task and 8 for one still generating.', '--model	The model of a task from elsewhere [luma].', '--cached	From the journal, without the network.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'wait' = @('-o	Save the video (MP4) there; - is stdout.', '--output	Save the video (MP4) there; - is stdout.', '-f	Overwrite an existing file.', '--force	Overwrite an existing file.', '--interval	How often to ask [10s].', '--timeout	How long to wait, 0: no limit [15m].', '--audio	The sound of a silent result [keep].', '--match	Bring the result back to its source''s frame rate, count and size.', '--as-delivered	Save the service''s bytes and nothing else.', '--fail-fast	Stop at the first failure.', '--parallel	Downloads at once.', '--model	The model of a task from elsewhere [luma].', '--listen	Take callbacks here; polling every 30s is the safety net.', '--public-url	Where kie.ai reaches the port that is listened on.', '--on-done	Run this at each task''s end, with LUMA_FILE and LUMA_TASK_ID.', '--open	Show the result with the platform''s viewer.', '--github	Write step outputs, a summary and annotations for GitHub Actions.', '--notify	Ring the terminal''s bell at the end.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'download' = @('-o	Save the video (MP4) there; - is stdout.', '--output	Save the video (MP4) there; - is stdout.', '-f	Overwrite an existing file.', '--force	Overwrite an existing file.', '--skip-existing	Leave existing files alone.', '--audio	The sound of a silent result [keep].', '--match	Bring the result back to its source''s frame rate, count and size.', '--as-delivered	Save the service''s bytes and nothing else.', '--parallel	Downloads at once.', '--all-missing	Every finished task of the journal that is not saved yet.', '--model	The model of a task from elsewhere [luma].', '--open	Show the result with the platform''s viewer.', '--github	Write step outputs, a summary and annotations for GitHub Actions.', '--notify	Ring the terminal''s bell at the end.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'open' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'batch' = @('-o	Save the videos in that folder.', '--output	Save the videos in that folder.', '-f	Overwrite an existing file.', '--force	Overwrite an existing file.', '--interval	How often to ask [10s].', '--timeout	How long to wait, 0: no limit [15m].', '--parallel	Downloads at once.', '--audio	The sound of a silent result [keep].', '--match	Bring the result back to its source''s frame rate, count and size.', '--as-delivered	Save the service''s bytes and nothing else.', '--max-active	At most N tasks run at once.', '--max-credits	Refuse what would cost more.', '--fail-fast	Submit nothing more after a failure.', '--shard	Only every Nth row, by a hash of its id.', '--no-check	Send without looking at prompt and clip.', '--strict	Take what is only doubtful for wrong.', '--on-done	Run this at each task''s end, with LUMA_FILE and LUMA_TASK_ID.', '--resubmit	Submit also the rows whose submission has an unknown outcome.', '-n	Check the rows, say what they would cost, send nothing.', '--dry-run	Check the rows, say what they would cost, send nothing.', '--github	Write step outputs, a summary and annotations for GitHub Actions.', '--notify	Ring the terminal''s bell at the end.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'tasks' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '--state	Only this state; may be repeated. failed is both kinds of failure.', '--since	Only since then: 7d, 12h, today, yesterday or 2026-11-01.', '--limit	At most N, the newest; 0: all.', '--search	Only with this in the prompt or a file name.', '--refresh	Ask kie.ai about the unfinished ones first.', '-h	Show help and exit.', '--help	Show help and exit.')
    'tasks list' = @('--state	Only this state; may be repeated. failed is both kinds of failure.', '--since	Only since then: 7d, 12h, today, yesterday or 2026-11-01.', '--limit	At most N, the newest; 0: all.', '--search	Only with this in the prompt or a file name.', '--refresh	Ask kie.ai about the unfinished ones first.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'tasks show' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'tasks forget' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'tasks prune' = @('--older-than	Submitted longer ago than this.', '-f	Also results that were never saved; do not ask.', '--force	Also results that were never saved; do not ask.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'tasks adopt' = @('--for	The unknown submission it belongs to, like unknown-7.', '--model	The model of a task from elsewhere [luma].', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'tasks recover' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '--show-origin	Say where each value comes from.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config list' = @('--show-origin	Say where each value comes from.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config get' = @('--reveal	Show a secret whole.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config set' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config unset' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config path' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config edit' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'config check' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'upload' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'credits' = @('--min	Exit 10 when the balance is below N.', '--spent	Print what the journal says was spent; asks nobody.', '--since	With --spent: since 7d, yesterday or 2026-11-01.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'listen' = @('--host	Listen on this address of the machine.', '--port	Listen here; 0: a free port.', '--public-url	Where kie.ai reaches the port that is listened on.', '--forward-to	Hand accepted callbacks on to this application.', '--model	The model of a task from elsewhere [luma].', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'report' = @('-o	Write the page there; - is stdout.', '--output	Write the page there; - is stdout.', '--copy-media	Copy the videos beside the page, so that its folder stands alone.', '-f	Overwrite an existing file.', '--force	Overwrite an existing file.', '--open	Show the result with the platform''s viewer.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'sandbox' = @('--port	Listen here; 0 picks a free port.', '--duration	How long a task takes [3s].', '--scenario	What the service does.', '--realistic	Results are silent, 24 fps, another size (needs ffmpeg).', '--price	What an edit costs; may be repeated.', '--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'completion' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
    'help' = @('--json	Print JSON, one object per line.', '-q	Print only results and errors.', '--quiet	Print only results and errors.', '-v	Show each request and decision on stderr; -vv bodies too.', '--verbose	Show each request and decision on stderr; -vv bodies too.', '-h	Show help and exit.', '--help	Show help and exit.')
}
$script:LumaValues = [System.Collections.Hashtable]::new([System.StringComparer]::Ordinal)
$lumaLines = @'
    ':-v' = ''
    ':--verbose' = ''
    'modify:-p' = '@prompts'
    'modify:--prompt' = '@prompts'
    'modify:-F' = '@files'
    'modify:--prompt-file' = '@files'
    'modify:--takes' = ''
    'modify:--model' = 'luma aleph wan-2.7-edit happyhorse'
    'modify:--set' = 'aspect_ratio= seed= reference_image= uploadCn= negative_prompt= resolution= duration= audio_setting= prompt_extend= watermark='
    'modify:--audio' = 'keep none @files'
    'modify:--redo-piece' = ''
    'modify:--watermark' = ''
    'modify:--callback-url' = ''
    'modify:-o' = '@files'
    'modify:--output' = '@files'
    'modify:--interval' = ''
    'modify:--timeout' = ''
    'modify:--trim' = ''
    'modify:--max-credits' = ''
    'modify:--idempotency-key' = 'auto'
    'modify:--listen' = ''
    'modify:--public-url' = ''
    'modify:--on-done' = '@commands'
    'modify:-v' = ''
    'modify:--verbose' = ''
    'redo:-p' = '@prompts'
    'redo:--prompt' = '@prompts'
    'redo:-F' = '@files'
    'redo:--prompt-file' = '@files'
    'redo:--takes' = ''
    'redo:--model' = 'luma aleph wan-2.7-edit happyhorse'
    'redo:--set' = 'aspect_ratio= seed= reference_image= uploadCn= negative_prompt= resolution= duration= audio_setting= prompt_extend= watermark='
    'redo:--audio' = 'keep none @files'
    'redo:--redo-piece' = ''
    'redo:--watermark' = ''
    'redo:--callback-url' = ''
    'redo:-o' = '@files'
    'redo:--output' = '@files'
    'redo:--interval' = ''
    'redo:--timeout' = ''
    'redo:--trim' = ''
    'redo:--max-credits' = ''
    'redo:--idempotency-key' = 'auto'
    'redo:--listen' = ''
    'redo:--public-url' = ''
    'redo:--on-done' = '@commands'
    'redo:-v' = ''
    'redo:--verbose' = ''
    'status:--model' = 'luma aleph wan-2.7-edit happyhorse'
    'status:-v' = ''
    'status:--verbose' = ''
    'wait:-o' = '@files'
    'wait:--output' = '@files'
    'wait:--interval' = ''
    'wait:--timeout' = ''
    'wait:--audio' = 'keep none @files'
    'wait:--parallel' = ''
    'wait:--model' = 'luma aleph wan-2.7-edit happyhorse'
    'wait:--listen' = ''
    'wait:--public-url' = ''
    'wait:--on-done' = '@commands'
    'wait:-v' = ''
    'wait:--verbose' = ''
    'download:-o' = '@files'
    'download:--output' = '@files'
    'download:--audio' = 'keep none @files'
    'download:--parallel' = ''
    'download:--model' = 'luma aleph wan-2.7-edit happyhorse'
    'download:-v' = ''
    'download:--verbose' = ''
    'open:-v' = ''
    'open:--verbose' = ''
    'batch:-o' = '@files'
    'batch:--output' = '@files'
    'batch:--interval' = ''
    'batch:--timeout' = ''
    'batch:--parallel' = ''
    'batch:--audio' = 'keep none @files'
    'batch:--max-active' = ''
    'batch:--max-credits' = ''
    'batch:--shard' = ''
    'batch:--on-done' = '@commands'
    'batch:-v' = ''
    'batch:--verbose' = ''
    'tasks:-v' = ''
    'tasks:--verbose' = ''
    'tasks:--state' = 'generating succeeded create_failed generate_failed unknown sending refused failed'
    'tasks:--since' = 'today yesterday 7d 30d'
    'tasks:--limit' = ''
    'tasks:--search' = ''
    'tasks list:--state' = 'generating succeeded create_failed generate_failed unknown sending refused failed'
    'tasks list:--since' = 'today yesterday 7d 30d'
    'tasks list:--limit' = ''
    'tasks list:--search' = ''
    'tasks list:-v' = ''
    'tasks list:--verbose' = ''
    'tasks show:-v' = ''
    'tasks show:--verbose' = ''
    'tasks forget:-v' = ''
    'tasks forget:--verbose' = ''
    'tasks prune:--older-than' = ''
    'tasks prune:-v' = ''
    'tasks prune:--verbose' = ''
    'tasks adopt:--for' = ''
    'tasks adopt:--model' = 'luma aleph wan-2.7-edit happyhorse'
    'tasks adopt:-v' = ''
    'tasks adopt:--verbose' = ''
    'tasks recover:-v' = ''
    'tasks recover:--verbose' = ''
    'config:-v' = ''
    'config:--verbose' = ''
    'config list:-v' = ''
    'config list:--verbose' = ''
    'config get:-v' = ''
    'config get:--verbose' = ''
    'config set:-v' = ''
    'config set:--verbose' = ''
    'config unset:-v' = ''
    'config unset:--verbose' = ''
    'config path:-v' = ''
    'config path:--verbose' = ''
    'config edit:-v' = ''
    'config edit:--verbose' = ''
    'config check:-v' = ''
    'config check:--verbose' = ''
    'upload:-v' = ''
    'upload:--verbose' = ''
    'credits:--min' = ''
    'credits:--since' = 'today yesterday 7d 30d'
    'credits:-v' = ''
    'credits:--verbose' = ''
    'listen:--host' = ''
    'listen:--port' = ''
    'listen:--public-url' = ''
    'listen:--forward-to' = ''
    'listen:--model' = 'luma aleph wan-2.7-edit happyhorse'
    'listen:-v' = ''
    'listen:--verbose' = ''
    'report:-o' = '@files'
    'report:--output' = '@files'
    'report:-v' = ''
    'report:--verbose' = ''
    'sandbox:--port' = ''
    'sandbox:--duration' = ''
    'sandbox:--scenario' = 'ok slow flag2 flag3 flag4 not-visible rate-limit maintenance no-credits bad-key http-200-401 gone cut-transfer expired-link lost-answer server-error garbage realistic moderation never-ends withdrawn validation-500 empty-429 record-408 record-501 urls-as-text callback-duplicate callback-forged callback-stale'
    'sandbox:--price' = ''
    'sandbox:-v' = ''
    'sandbox:--verbose' = ''
    'completion:-v' = ''
    'completion:--verbose' = ''
    'help:-v' = ''
    'help:--verbose' = ''
'@
foreach ($line in $lumaLines -split "`n") {
    if ($line -match "^\s*'(.*)' = '(.*)'") { $script:LumaValues[$Matches[1]] = $Matches[2] }
}
$script:LumaArguments = @{
    'modify' = '@files'
    'redo' = '@tasks @files'
    'status' = '@tasks'
    'wait' = '@tasks'
    'download' = '@tasks'
    'open' = '@tasks'
    'batch' = '@files'
    'tasks show' = '@tasks'
    'tasks forget' = '@tasks'
    'tasks adopt' = '@tasks'
    'config get' = 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key @keys'
    'config set' = 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key @keys'
    'config unset' = 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key @keys'
    'upload' = '@files'
    'report' = '@tasks'
    'sandbox' = '@commands'
    'completion' = 'bash zsh fish powershell'
    'help' = 'environment exit-codes json ci prompts models sandbox modify redo status wait download open batch tasks config upload credits listen report completion help'
}

Register-ArgumentCompleter -Native -CommandName luma, kie-luma -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $at = ''
    $skip = ''
    $program = $commandAst.CommandElements[0].ToString()
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -and $words.Count) { $words = @($words | Select-Object -SkipLast 1) }
    foreach ($word in $words) {
        if ($skip) { $skip = ''; continue }
        if ($script:LumaValues.ContainsKey("${at}:$word")) { $skip = $word; continue }
        $next = "$at $word".Trim()
        if ($script:LumaFlags.ContainsKey($next)) { $at = $next }
    }
    $kind = if ($skip) { $script:LumaValues["${at}:$skip"] } else { $script:LumaArguments[$at] }
    $offers = @()
    if (-not $skip) { $offers += $script:LumaWords[$at] }
    foreach ($part in "$kind" -split ' ') {
        if ($part -eq '@tasks' -or ($part -eq '@files' -and $wordToComplete -like '@*')) {
            $offers += & $program __tasks 2>$null
        } elseif ($part -eq '@prompts') {
            if ($wordToComplete -like '@*') { $offers += & $program __prompts '@' 2>$null }
        } elseif ($part -eq '@keys') {
            $offers += & $program __prompts 'prompt.' 2>$null
        } elseif ($part -and $part -notlike '@*') {
            $offers += $part
        }
    }
    if (-not $skip -and ($wordToComplete -like '-*' -or (-not $offers -and -not $kind))) {
        $offers = $script:LumaFlags[$at]
    }
    $offers | Where-Object { $_ -and $_ -like "$wordToComplete*" } | ForEach-Object {
        $word, $beside = $_ -split "`t", 2
        if (-not $beside) { $beside = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $beside)
    }
}
