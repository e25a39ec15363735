"""Jobs and processes that may take recordings away, by their lines."""

import pytest

from hotcold_inotify.prognosis import Trouble, rivals
from hotcold_inotify.prognosis.rivals import Paths, Suspicion

ROOT = "/var/www/html/stream"
PATHS = Paths([ROOT, f"{ROOT}/capture1", "/mnt/far/cam"])


@pytest.mark.parametrize(
    ("line", "suspect"),
    [
        (f"find {ROOT} -name '*.ts' -mmin +1440 -delete", True),
        (f"find {ROOT}/capture1 -type f -exec rm {{}} +", True),
        ("rm -f /mnt/far/cam/segments/*.ts", True),
        ("/bin/mv /mnt/far/cam/a /tmp", True),
        ("find /var/www -mtime +1 -delete", True),
        ("rm -rf /var/www/", True),
        ("rm /var/www/index.html", False),
        ("find /var/log -mtime +1 -delete", False),
        (f"find {ROOT}-old -delete", False),
        (f"ls -t {ROOT}/capture1", False),
        (f"docker run --rm -v {ROOT}:/data viewer", False),
        (f"rsync -a --remove-source-files {ROOT}/capture1/ nas:/", True),
        (f"rsync -a {ROOT}/capture1/ nas:/", False),
        ("python3 /opt/old/hot_cold_archiver.py", True),
        ("/opt/old/capture_cleanup --all", True),
        ("cleanup-old-segments", True),
        (f"/opt/hotcold/bin/hotcold --root {ROOT} run", False),
    ],
)
def test_a_line_and_a_process_are_judged_alike(line: str, suspect: bool) -> None:
    assert (rivals.suspicious_job(f"# first\n{line}\n", PATHS) == Suspicion(line, 2)) is suspect
    assert rivals.suspicious_command(line.split(), PATHS, inside=False) is suspect


def test_a_process_that_stands_in_a_folder() -> None:
    words = ["find", ".", "-delete"]
    assert rivals.suspicious_command(words, PATHS, inside=True)
    assert not rivals.suspicious_command(words, PATHS, inside=False)


@pytest.mark.parametrize(
    ("line", "script"),
    [
        ("/usr/bin/python3.11 -u /opt/keep.py /srv", "/opt/keep.py"),
        ("bash keep.sh", "keep.sh"),
        ("python3 -m http.server", None),
        ("sh -c x", None),
        ("perl", None),
        ("/opt/keep.py", None),
    ],
)
def test_the_script_of_an_interpreter(line: str, script: str | None) -> None:
    assert rivals.script_of(line.split()) == script


def test_the_variables_of_a_crontab_are_filled_in() -> None:
    text = f"DIR={ROOT}\nOTHER='/srv'\n* * * * * root find $OTHER -delete\n* * * * * root find ${{DIR}} -delete $X\n"
    found = rivals.suspicious_job(text, PATHS)
    assert found == Suspicion(f"* * * * * root find {ROOT} -delete $X", 4)
    assert rivals.suspicious_job("", PATHS) is None


def test_a_program_that_speaks_of_the_folders_and_takes_away() -> None:
    script = f"import os\n# os.remove\nROOT = '{ROOT}'\nfor name in os.listdir(ROOT):\n    os.remove(name)\n"
    assert rivals.suspicious_script(script, PATHS) == Suspicion("os.remove(name)", 5)
    assert rivals.suspicious_script(script.replace(ROOT, "/srv"), PATHS) is None
    assert rivals.suspicious_script(script.replace("    os.remove(name)", "    print(name)"), PATHS) is None


def test_a_root_at_the_top_has_nothing_above_it() -> None:
    paths = Paths(["/stream"])
    assert rivals.suspicious_job("find / -name core -delete", paths) is None
    assert rivals.suspicious_job("find /stream -delete", paths) is not None


def test_the_programs_of_a_crontab() -> None:
    text = (
        "# /bin/no\n; /bin/no\n*/5 * * * * root /usr/local/bin/clean.sh > /var/log/clean.log\nExecStart=/opt/x/run -a\n"
    )
    assert list(rivals.programs(text)) == ["/usr/local/bin/clean.sh", "/var/log/clean.log", "/opt/x/run"]


def test_what_is_said() -> None:
    job = rivals.of_job("/etc/cron.d/old", Suspicion("find x -delete", 3), crontab=True)
    assert (job.trouble, job.where, job.remedy) == (
        Trouble.RIVAL_JOB,
        "/etc/cron.d/old:3",
        "take line 3 out of /etc/cron.d/old",
    )
    timer = rivals.of_job("/etc/systemd/system/old.service", Suspicion("ExecStart=rm", 3), crontab=False)
    assert timer.remedy == "systemctl disable --now old.timer"
    process = rivals.of_process(12, ["python3", "x" * 900])
    assert (process.trouble, process.where, len(process.detail)) == (Trouble.RIVAL_PROCESS, "process 12", 160)
    assert "kill 12" in process.remedy
