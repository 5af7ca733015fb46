# gsos: build, test, install.  `make help` lists the targets.
#
# Everything made goes into build/ (build-asan/, build-tsan/ for the sanitizers) and ./gsos.  make installs nothing on the
# system; a missing library is named with the command that brings it.

CC      ?= cc
OPT     ?= -O2 -g
PREFIX  ?= /usr/local
BUILD   ?= build
VARIANT ?=
WERROR  ?=

PACKAGES := dnnl iniparser sqlite3 libcjson libjpeg libpng zlib
CPPFLAGS += -D_GNU_SOURCE -I. -Ihost -Isched -Ikernels
WARN     := -Wall -Wextra $(if $(WERROR),-Werror)
CFLAGS   += -std=gnu11 $(OPT) $(WARN) -pthread -fno-strict-aliasing $(VARIANT)
LDFLAGS  += -pthread $(VARIANT)
LDLIBS   += -ldnnl -liniparser -lsqlite3 -lcjson -ljpeg -lpng -lz -lm

HOST  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard host/*.c))
SCHED := $(patsubst %.c,$(BUILD)/%.o,$(filter-out sched/main.c,$(wildcard sched/*.c)))
MAIN  := $(BUILD)/sched/main.o
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
BENCH := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bench_*.c))

# ISA variants of the CPU trainer's own loops (see host/cpu_loops.c) are added here.
-include host/cpu_loops.mk

.PHONY: all
all: gsos

gsos: $(HOST) $(SCHED) $(MAIN)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(HOST) $(SCHED)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
