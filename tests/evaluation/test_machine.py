"""What others use of the machine. Oracle: clocks that are made up."""

from genjax.evaluation import machine


def test_what_others_use_is_all_that_is_used_less_ones_own(monkeypatch):
    busy, own, clock = iter([10.0, 13.0]), iter([1.0, 2.0]), iter([0.0, 4.0])
    monkeypatch.setattr(machine, "busy", lambda: next(busy))
    monkeypatch.setattr(machine.time, "process_time", lambda: next(own))
    monkeypatch.setattr(machine.time, "monotonic", lambda: next(clock))
    assert machine.Others().cores() == (3.0 - 1.0) / 4.0


def test_an_idle_machine_is_not_waited_for_and_a_busy_one_not_for_ever(monkeypatch):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(machine.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(machine.time, "sleep", sleep)
    monkeypatch.setattr(machine, "busy", lambda: 0.0)
    machine.wait_for_idle(1.5)
    assert len(slept) == 1
    monkeypatch.setattr(machine, "busy", lambda: now[0])  # a core all the time
    machine.wait_for_idle(1.5)
    assert 15 <= len(slept) <= 17
