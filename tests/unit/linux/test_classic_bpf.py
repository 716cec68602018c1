import pytest
from tests.fakes.bpf_machine import run_filter

from iron_proxy.linux.classic_bpf import Program


def test_a_program_goes_on_where_its_labels_say() -> None:
    program = Program()
    program.load_byte(0)
    program.if_equal(7, then="seven")
    program.if_at_least(100, then="many", otherwise="few")
    program.label("seven")
    program.give(7)
    program.label("many")
    program.load_byte_behind(1)
    program.keep_bits(0x0F)
    program.if_any_bit(0x01, then="few")
    program.give(100)
    program.label("few")
    program.give(1)

    text = program.assemble()

    def run(*content: int) -> int:
        return run_filter(text, lambda offset, count: int.from_bytes(bytes(content)[offset : offset + count], "big"))

    assert [run(7), run(6), run(200, 0xF2), run(200, 0xF1)] == [7, 1, 100, 1]


def test_an_instruction_is_eight_bytes_in_the_order_of_the_machine() -> None:
    program = Program()
    program.give(0x7FFF0000)

    assert program.assemble() == b"\x06\x00\x00\x00\x00\x00\xff\x7f"


def test_a_long_way_takes_an_instruction_of_its_own() -> None:
    program = Program()
    program.go_to("end")
    for _ in range(300):
        program.load_byte(0)
    program.label("end")
    program.give(3)

    assert run_filter(program.assemble(), lambda offset, count: 0) == 3


def test_a_condition_cannot_lead_further_than_a_byte_says() -> None:
    program = Program()
    program.if_equal(1, then="end")
    for _ in range(256):
        program.load_byte(0)
    program.label("end")
    program.give(0)

    with pytest.raises(ValueError, match="too far"):
        program.assemble()


def test_no_program_goes_backwards() -> None:
    program = Program()
    program.label("begin")
    program.load_byte(0)
    program.if_equal(1, then="begin")

    with pytest.raises(ValueError, match="behind"):
        program.assemble()


def test_a_label_that_is_nowhere_is_an_error() -> None:
    program = Program()
    program.go_to("nowhere")

    with pytest.raises(KeyError):
        program.assemble()
