"""What threads hold is closed once, by whoever is last."""

import errno
import threading

import pytest

from hotcold_inotify.disk import Lent


def test_the_owner_closes_what_nobody_uses_once() -> None:
    closed: list[str] = []
    lent = Lent()
    lent.closing.callback(closed.append, "folder")
    assert lent.use(lambda: 7) == 7
    assert closed == []
    lent.close()
    lent.close()
    assert closed == ["folder"]
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        lent.use(lambda: 7)
    assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize("fails", [False, True])
def test_a_thread_that_is_left_behind_closes_when_it_ends(fails: bool) -> None:
    closed: list[str] = []
    lent = Lent()
    entered, leave = threading.Event(), threading.Event()
    ended: list[BaseException | None] = []

    def work() -> None:
        entered.set()
        leave.wait()
        # What is opened this late is closed too.
        lent.closing.callback(closed.append, "opened late")
        assert closed == []
        if fails:
            raise OSError(errno.EIO, "hung, and gone")

    def run() -> None:
        try:
            lent.use(work)
            ended.append(None)
        except OSError as error:
            ended.append(error)

    lent.closing.callback(closed.append, "folder")
    thread = threading.Thread(target=run)
    thread.start()
    assert entered.wait(20)
    lent.close()
    assert closed == []
    leave.set()
    thread.join(20)
    assert closed == ["opened late", "folder"]
    assert (ended[0] is not None) is fails
