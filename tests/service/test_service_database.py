"""The thread that writes to SQLite, and waiting for what other processes write."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, insert, select

from service.database import Database
from service.tables import audit

LONG = 60.0  # seconds that nobody waits where the test passes


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'service.sqlite'}"


@pytest.fixture
def database(url):
    made = Database(url)
    made.create()
    yield made
    made.close()


def note(number):
    values = {"at": 0.0, "who": "w", "address": "", "action": str(number), "status": 200, "request_id": "r"}
    return lambda connection: connection.execute(insert(audit).values(**values, detail={}))


def count(database):
    return database.read(lambda c: c.scalar(select(func.count()).select_from(audit)))


def test_what_goes_wrong_for_one_harms_no_other(database):
    def write(number):
        if number % 5 == 0:

            def wrong(connection):
                note(number)(connection)
                raise RuntimeError(number)

            with pytest.raises(RuntimeError, match=f"^{number}$"):
                database.write(wrong)
        else:
            database.write(note(number))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(100)))
    assert count(database) == 80


def test_who_writes_after_the_end_is_served_all_the_same(database):
    database.write(note(1))
    database.close()
    database.close()
    database.write(note(2))
    assert count(database) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_what_is_written_is_not_written_by_a_thread_that_steps_back(url):
    def open_and_step_back():
        made = Database(url)
        own = os.nice(3)
        writes = made.write(lambda _: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        made.close()
        return own, writes

    before = os.getpriority(os.PRIO_PROCESS, 0)
    with ThreadPoolExecutor(1) as pool:
        own, writes = pool.submit(open_and_step_back).result()
    assert (own, writes) == (min(19, before + 3), before)


def test_a_change_by_another_ends_the_waiting(database, url):
    other = Database(url)
    database.wait_for_change(0)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(database.wait_for_change, LONG)
        while not waiting.done():
            other.write(note(1))
            time.sleep(0.01)
    assert time.monotonic() - began < LONG
    other.close()


def test_a_change_since_the_last_look_is_not_missed(database, url):
    other = Database(url)
    database.wait_for_change(0.01)
    other.write(note(1))
    began = time.monotonic()
    database.wait_for_change(LONG)
    assert time.monotonic() - began < LONG
    other.close()


def test_without_a_change_the_waiting_ends_too(database):
    database.wait_for_change(0.01)
    began = time.monotonic()
    database.wait_for_change(0.05)
    assert time.monotonic() - began >= 0.05
