# make            build/walwire
# make demo       a shop in a throwaway PostgreSQL, streamed to http://127.0.0.1:8000
# make test       everything, as continuous integration runs it
# make help       the rest
BUILD  ?= build
PREFIX ?= /usr/local
TESTS  ?=
CASES  ?=
FAULTS ?=
SEED   ?= 1
SECONDS ?= 0
VERSIONS ?=
BENCH  ?=
FUZZ_SECONDS ?= 30

.PHONY: all demo test check unit lint format fuzz takeover bench bench-ws bench-quick compat versions torture big asan tsan install clean help

all:
	@tools/install build
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) -Dtests=false >/dev/null || meson setup $(BUILD) -Dtests=false
	@ninja -C $(BUILD)

demo:
	@tools/install demo
	@$(MAKE) --no-print-directory all
	@KAFKA="$(KAFKA)" tools/demo

test:
	@tools/install test
	@tests/run $(TESTS)

check:
	@tools/install lint
	@tests/run lint unit

unit:
	@tools/install lint
	@tests/run unit

lint:
	@tools/install lint
	@tests/run lint

format:
	@tools/install lint
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

fuzz:
	@tools/install test
	@tools/fuzz $(FUZZ_SECONDS)

takeover:
	@tools/install test
	@$(MAKE) --no-print-directory all
	@tests/compat/takeover.py

bench:
	@tools/install test
	@bench/run $(BENCH)

bench-ws:
	@tools/install test
	@bench/ws/run $(BENCH)

bench-quick:
	@tools/install test
	@bench/quick

compat:
	@tools/install test
	@$(MAKE) --no-print-directory all
	@tests/compat/compare.py --live $(CASES)

versions:
	@tools/install test
	@tests/versions $(VERSIONS)

big:
	@tools/install test
	@BIG=1 tests/run live/test_big.py

torture:
	@tools/install test
	@tests/torture/run --seed $(SEED) --seconds $(SECONDS) $(FAULTS)

SANITIZED = unit live/test_stream.py live/test_rest.py live/test_websocket.py live/test_kill.py live/test_many.py live/test_snapshot.py \
  live/test_shards.py live/test_security.py live/test_names.py live/test_exactly_once.py live/test_standby.py live/test_filters.py live/test_auth.py

asan:
	@tools/install test
	@BUILD=build-asan SANITIZE=address,undefined UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1" ASAN_OPTIONS="detect_leaks=1:exitcode=66" tests/run $(or $(TESTS),$(SANITIZED))

tsan:
	@tools/install test
	@BUILD=build-tsan SANITIZE=thread TSAN_OPTIONS="suppressions=$(CURDIR)/tests/lib/tsan.supp exitcode=66" tests/run $(or $(TESTS),$(SANITIZED))

install: all
	@meson configure $(BUILD) --prefix $(abspath $(PREFIX)) -Dfailpoints=false
	@meson install -C $(BUILD) --quiet

clean:
	@rm -rf $(BUILD) build-*

help:
	@echo "make           build/walwire"
	@echo "make demo      a shop in a throwaway PostgreSQL, live on http://127.0.0.1:8000; KAFKA=host:9092 also to Kafka"
	@echo "make test      lint, unit, bench-quick, web, fuzz, golden and live tests; TESTS=live/test_kafka.py runs some of them"
	@echo "make check     lint and unit tests only: seconds"
	@echo "make unit      the unit tests        make lint      the shape of the code"
	@echo "make asan      unit and many live tests under the address, undefined-behaviour and leak sanitizers; TESTS=..."
	@echo "make tsan      the same under the thread sanitizer"
	@echo "make fuzz      each fuzzer for FUZZ_SECONDS=30"
	@echo "make takeover  Debezium and walwire take one connector over from each other; five minutes"
	@echo "make bench     walwire beside Debezium and others, into docs/BENCHMARKS.md; three quarters of an hour; BENCH='--rows 100000 --only drain'"
	@echo "make bench-ws  the fan-out to browsers beside Node's ws and FastAPI, into docs/BENCHMARKS.md; eight minutes; BENCH='--rounds 1 --only flood'"
	@echo "make bench-quick  instructions a row, against the committed figures"
	@echo "make compat    every golden case on Debezium and walwire at once; CASES='keys ddl' runs some"
	@echo "make versions  the live tests on PostgreSQL 13 to 18, three quarters of an hour; VERSIONS='13 18' runs some"
	@echo "make big       transactions of 5,000,000 rows, 10,000 tables, a row of 900 MB, with a bound on memory; ten minutes"
	@echo "make torture   every fault once, then what is promised is checked; SEED=7 SECONDS=3600 in random order for so long, FAULTS='F20 F45' some"
	@echo "make format    clang-format in place"
	@echo "make install   to PREFIX=/usr/local"
	@echo "make clean     removes the build directories"
