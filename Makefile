# gsos: build, test, install.  `make help` lists the targets.
#
# Everything made goes into $(BUILD) (build/; build-asan/ and build-tsan/ with the sanitizers) and
# ./gsos.  Nothing here installs a package: a missing library is named with the command that brings
# it (tools/setup.sh --check).
#
# CC, CPPFLAGS, CFLAGS, LDFLAGS, LDLIBS may be given as usual, in the environment or on the command
# line; they come after those of the project.  Whoever changes one gets everything built anew:
# $(BUILD)/flags holds what the objects were made with.

CC           ?= cc
OPT          ?= -O2 -g
PREFIX       ?= /usr/local
BUILD        ?= build
VARIANT      ?=# added to compiling and linking: a sanitizer
PLAIN        ?= $(BUILD)# where the objects are that no sanitizer is compiled into: of another build, they serve this one
WERROR       ?=# 1: a warning is an error
V            ?=# make bench V=--verbose
CLANG_FORMAT ?= clang-format

USER_CPPFLAGS := $(CPPFLAGS)
USER_CFLAGS   := $(CFLAGS)
USER_LDFLAGS  := $(LDFLAGS)
# Recursive, not :=, since host/cpu/cpu_loops.mk sets OPT for some objects.
# Includes are whole paths from here.
override CPPFLAGS = -D_GNU_SOURCE -I. $(USER_CPPFLAGS)
WARN              = -Wall -Wextra $(if $(WERROR),-Werror)
override CFLAGS   = -std=gnu11 $(OPT) $(WARN) -pthread -fno-strict-aliasing $(VARIANT) $(USER_CFLAGS)
override LDFLAGS  = -pthread $(VARIANT) $(USER_LDFLAGS)
# libgomp is oneDNN's OpenMP, which the trainer tells to use one thread.
LIBS             := -ldnnl -lgomp -llapacke -lopenblas -lnlopt -liniparser -lsqlite3 -lcjson -lprotobuf-c -ljpeg -lpng -lz -lm

# The sources in the rooms of a folder.
sources = $(wildcard $(foreach depth,*/ */*/ */*/*/,$(1)/$(depth)$(2)))
HOST_SOURCES := $(call sources,host,*.c)
RUN_SOURCES  := $(call sources,sched,*.c)
HOST   := $(HOST_SOURCES:%.c=$(BUILD)/%.o)
SCHED  := $(RUN_SOURCES:%.c=$(BUILD)/%.o)
MAIN   := $(BUILD)/sched/main.o
# Programs stand side by side in $(BUILD)/tests, wherever their sources are.
TEST_SOURCES  := $(call sources,tests,test_*.c)
BENCH_SOURCES := $(call sources,tests,bench_*.c)
TESTS  := $(addprefix $(BUILD)/tests/,$(basename $(notdir $(if $(findstring thread,$(VARIANT)), \
            $(shell grep -L 'Not under ThreadSanitizer: ' $(TEST_SOURCES)),$(TEST_SOURCES)))))
BENCH  := $(addprefix $(BUILD)/tests/,$(basename $(notdir $(BENCH_SOURCES))))
TEST_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(TEST_SOURCES) $(BENCH_SOURCES))
HELPER := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/bench/bench_% tests/bench/test_%,$(wildcard tests/bench/*.c)))

.PHONY: all
all: gsos## builds ./gsos (this is what plain `make` does)

# ISA variants of the CPU trainer's own loops (see host/cpu/cpu_loops.c) are added here.
-include host/cpu/cpu_loops.mk
-include host/samplers/gp/gp_loops.mk

# CUDA, where there is a compiler for it and something to compile.  sm_90 also as PTX, for what
# comes after it.
ifndef NVCC
NVCC     := $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc /opt/cuda/bin/nvcc))
endif
NVCCFLAGS = -O3 -g -std=c++17 -Xcompiler -Wall,-Wextra $(if $(WERROR),-Werror all-warnings) \
            -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90] $(NO_SPILLS) $(SMALL)
# A kernel whose registers do not suffice is an error; the harness's own, which never run on a GPU,
# may spill.
NO_SPILLS := -Xptxas -warn-spills,-Werror
# Kernels take half the room, where nvcc can (since 12.8); each program holds them all.
SMALL     := $(if $(NVCC),$(if $(findstring --compress-mode,$(shell '$(NVCC)' --help 2>/dev/null)),--compress-mode=size))
$(BUILD)/tests/cudacpu/%.o: private NO_SPILLS :=
CUDA     := $(and $(NVCC),$(wildcard kernels/*.cu))
KERNELS  := $(if $(CUDA),$(patsubst %.cu,$(PLAIN)/%.o,$(wildcard kernels/*.cu)))
ifdef CUDA
override CPPFLAGS += -DGSOS_CUDA
CUDA_HEADERS := $(addprefix -isystem ,$(filter-out /usr/include,$(wildcard $(patsubst %/bin/nvcc,%/include,$(realpath $(NVCC))))))
CUDA_LIB := $(firstword $(wildcard $(patsubst %/bin/nvcc,%,$(realpath $(NVCC)))/lib64 /usr/lib/x86_64-linux-gnu))
LIBS     += -L$(CUDA_LIB) -lcudart_static -lstdc++ -ldl -lrt
endif

# Open MPI, where its headers are: for several boxes.  The library is opened by who needs it
# (host/link/link_mpi.c), so nothing is linked.  MPI= builds without.
ifndef MPI
MPI      := $(shell pkg-config --cflags-only-I ompi-c 2>/dev/null || mpicc --showme:compile 2>/dev/null)
endif
MPI_HEADERS := $(patsubst -I%,-isystem %,$(filter -I%,$(MPI)))
$(BUILD)/host/link/link_mpi.o: private override CPPFLAGS += $(if $(MPI_HEADERS),-DGSOS_MPI $(MPI_HEADERS))

# What protoc-c makes of messages; protobuf-c from 1.5 on would have it called as protoc.
PROTOC   ?= $(if $(shell command -v protoc-c 2>/dev/null),protoc-c,protoc)
PROTO    := $(patsubst %.proto,$(BUILD)/%.pb-c.o,$(call sources,host,*.proto))
PROTO_USERS := $(patsubst %.c,$(BUILD)/%.o,$(shell grep -lsF '.pb-c.h>' $(HOST_SOURCES) $(TEST_SOURCES)))
$(PROTO) $(PROTO_USERS): private override CPPFLAGS += -I$(BUILD)
$(PROTO_USERS): | $(PROTO:.o=.c)

PARTS   := $(HOST) $(SCHED) $(KERNELS) $(PROTO)
OBJECTS := $(PARTS) $(MAIN) $(HELPER) $(TEST_OBJECTS) $(CPU_LOOPS_REFERENCE) $(GP_LOOPS_REFERENCE)

# Tests that run .cu files on the CPU, and the same on a GPU.
include tests/cudacpu/cudacpu.mk
include tests/gpu/gpu.mk
# Programs that give the readers of files arbitrary bytes.
include tests/fuzz/fuzz.mk

# -------------------------------------------------------------------------------------------- build

# The program stands in $(BUILD) like everything else, so that the builds for checking leave ./gsos
# alone.
gsos: $(BUILD)/gsos always
	@cmp -s $< $@ || { echo 'cp -f $< $@'; cp -f $< $@; }

$(BUILD)/gsos: $(MAIN) $(BUILD)/libgsos.a $(BUILD)/link
	$(CC) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS) $(LDLIBS)

# Everything but main, for the program and its tests.  Made anew, so that an object whose source is
# gone is gone, too.
$(BUILD)/libgsos.a: $(PARTS) $(BUILD)/link
	@rm -f $@
	@$(AR) qcs $@ $(filter %.o,$^)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.pb-c.c: %.proto | $(BUILD)/have-run
	@mkdir -p $(@D)
	$(PROTOC) --c_out=$(BUILD) $<
$(BUILD)/%.pb-c.o: $(BUILD)/%.pb-c.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

ifdef CUDA
$(patsubst %.c,$(BUILD)/%.o,$(shell grep -lsE 'include (<cuda_runtime|"host/base/profiler_ranges.h")' $(HOST_SOURCES) $(RUN_SOURCES))): \
  private override CPPFLAGS += $(CUDA_HEADERS)
endif

$(BUILD)/%.o: %.cu
	@mkdir -p $(@D)
	$(NVCC) $(CPPFLAGS) $(NVCCFLAGS) -MMD -MP -c -o $@ $<

# Objects come before the library: a kernel of the harness's takes the place of nvcc's.
$(foreach source,$(TEST_SOURCES) $(BENCH_SOURCES),$(eval \
  $(BUILD)/tests/$(basename $(notdir $(source))): $(source:%.c=$(BUILD)/%.o)))
$(TESTS) $(BENCH): $(HELPER) $(BUILD)/libgsos.a $(BUILD)/link
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(LDLIBS) -lcmocka

# What another build has made is not made here.
MADE_HERE = $(filter $(BUILD)/%,$(OBJECTS))
$(MADE_HERE): $(BUILD)/flags | $(BUILD)/have-run
$(TEST_OBJECTS) $(HELPER): | $(BUILD)/have-test

# A file that holds what $(1) is, and is touched when that changes.
remember = @mkdir -p $(BUILD); printf '%s\n' $(1) | cmp -s - $@ || printf '%s\n' $(1) >$@
.PHONY: always
$(BUILD)/flags: always
	$(call remember,'$(CC) $(CPPFLAGS) $(CFLAGS) $(NVCC) $(NVCCFLAGS) $(CXX) $(CXXFLAGS_ALL) $(CUDACPU_TSAN) $(MPI_HEADERS)')
$(BUILD)/link: always
	$(call remember,'$(CC) $(LDFLAGS) $(LIBS) $(LDLIBS) $(sort $(PARTS) $(HELPER))')

# Are the headers there?  Asked once for each compiler and set of flags.
$(BUILD)/have-%: tools/setup.sh $(BUILD)/flags
	@sh tools/setup.sh --check $* $(CC) $(CPPFLAGS)
	@touch $@

.SECONDARY:
-include $(wildcard $(MADE_HERE:.o=.d))

# ------------------------------------------------------------------------------------ run and check

.PHONY: quickstart paper paper-small tests test soak bench bench-search bench-sched bench-boxes bench-asha bench-strategies \
        roofline kernel-report lint plain-objects asan tsan ci
quickstart: gsos## builds, and runs configs/quickstart.ini
	./gsos run configs/quickstart.ini

# ONLY='rps k49': those; DATA=FOLDER: where the data sets lie; SETTINGS='--set ...'; SAMPLERS='tpe gp' (tools/paper.sh).
paper: gsos## the paper's experiment on those of its data sets that are under data/ (configs/paper/README.md); for a GPU
	sh tools/paper.sh configs/paper $(ONLY)

paper-small: gsos## the same in small: a minute or two for each data set on a core
	sh tools/paper.sh configs/paper-small $(ONLY)

# Two benchmarks need no clock, and are tested (tests/bench/test_bench_sched.sh).
SCHED_BENCH := $(BUILD)/tests/bench_sched $(BUILD)/tests/bench_cohorts
tests: $(BUILD)/gsos $(if $(filter build,$(BUILD)),gsos) $(TESTS) $(SCHED_BENCH)## builds the program and its tests

test: tests## builds and runs all tests
	sh tools/run_tests.sh $(BUILD)

# SEED=N: the moments of an earlier one, as it printed them; KILLS=N: that many.
soak: $(BUILD)/gsos $(BUILD)/gsos-cudacpu## kills and stops 200 runs of several kinds at random moments: all end as undisturbed ones
	GSOS=$(abspath $(BUILD)/gsos) SOAK=1 sh tests/failures/test_kill.sh

bench: $(BENCH)## builds and runs the benchmarks; in detail with V=--verbose
	@for b in $(filter-out %/bench_search,$(BENCH)); do echo "== $${b##*/}"; $$b $(V) || exit 1; done

# With --form dev for work on the samplers, --before FILE beside another version (tests/bench/bench_search.c).
bench-search: $(BUILD)/tests/bench_search## how well samplers search, beside Optuna's; some minutes
	$< --compare tests/bench/search_optuna.csv --output $(BUILD) $(V)

# With --lengths FILE for the trials.csv of a run of one's own (tests/bench/bench_sched.c).
bench-sched: $(SCHED_BENCH)## how well the scheduler fills 1 to 8 devices, and one GPU with heavy and light trials; no training
	$< $(V)
	$(BUILD)/tests/bench_cohorts

# RANKS=N, TRIALS=N: others (tests/bench/bench_boxes.py).
bench-boxes: gsos## how many trials a second pass through rank 0 of 64, and what one costs on the wire; needs mpirun
	python3 tests/bench/bench_boxes.py

# What is finished is not run again (build/bench-asha, build/bench-pruners).  PRUNED='--rounds 2': fewer rounds of networks.
bench-asha: gsos## what each pruner saves and loses: hundreds of rounds on tables of networks, five of networks; an hour or two
	python3 tests/bench/bench_strategies.py --ways pruners --only mnist,ahe32,flowers32 --rounds 200 --output build/bench-pruners
	python3 tests/bench/bench_asha.py $(PRUNED)

# ROUNDS=N: fewer go faster; what is finished is not run again (build/bench-strategies).
ROUNDS ?= 50
bench-strategies: gsos## what groups, importance, greedy and their settings are worth; an hour on two cores at 50 rounds
	python3 tests/bench/bench_strategies.py --rounds $(ROUNDS)

INI      ?= configs/quickstart.ini
roofline: $(BUILD)/tools/roofline## what a training step costs on a GPU at least (INI=FILE.ini, SETTINGS='--set ...')
	@$(BUILD)/tools/roofline $(INI) $(SETTINGS)

lint:## layout, static analysis of C and shell, the man page
	CLANG_FORMAT='$(CLANG_FORMAT)' sh tools/lint.sh

ASAN := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN := -O1 -g1 -fno-omit-frame-pointer -fsanitize=thread
# Leaks are looked for, too: LeakSanitizer is part of the first.  Nothing is suppressed: what a
# library does wrong is to be known.  oneDNN and libgomp are not instrumented; what only they do,
# ThreadSanitizer does not see (tools/run_tests.sh).
#
# What is not compiled with a sanitizer is taken from build/.  WERROR=1 is for that alone: what a
# sanitizer adds to the code makes gcc warn of what cannot happen.
asan: plain-objects## runs the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) BUILD=build-asan PLAIN=$(BUILD) WERROR= VARIANT='$(ASAN)' tests
	KILLS=5 sh tools/run_tests.sh build-asan sanitized

tsan: plain-objects## runs the tests under ThreadSanitizer
	$(MAKE) BUILD=build-tsan PLAIN=$(BUILD) WERROR= VARIANT='$(TSAN)' tests
	KILLS=5 sh tools/run_tests.sh build-tsan threads

kernel-report: $(BUILD)/tools/roofline## registers, spills, occupancy and main loop of each kernel, beside prototypes; launches of a step and their blocks (needs nvcc)
	@sh tools/kernel_report.sh '$(NVCC)' $(BUILD)/tools/roofline $(NO_SPILLS)

ci:## what is run before a change is taken: everything above, under two compilers
	bash .ci/run

# ------------------------------------------------------------------------------------------ install

bin  := $(DESTDIR)$(PREFIX)/bin
man1 := $(DESTDIR)$(PREFIX)/share/man/man1
data := $(DESTDIR)$(PREFIX)/share/gsos
# Where bash-completion and zsh look for completions.
bash_completions := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zsh_completions  := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
put   = $(if $(1),install -m 644 $(1) '$(2)/')

.PHONY: install uninstall clean help
install: gsos## installs under PREFIX (/usr/local), with DESTDIR before it
	install -d '$(bin)' '$(man1)' '$(bash_completions)' '$(zsh_completions)'
	install -d '$(data)/configs/bench' '$(data)/configs/command' '$(data)/configs/data' '$(data)/configs/paper' \
	  '$(data)/configs/paper-small' '$(data)/configs/slurm'
	install -m 755 gsos '$(bin)/gsos'
	$(call put,$(wildcard man/*.1),$(man1))
	$(call put,$(wildcard configs/*.ini),$(data)/configs)
	$(call put,$(wildcard configs/bench/*.ini),$(data)/configs/bench)
	$(call put,$(wildcard configs/command/*),$(data)/configs/command)
	$(call put,$(wildcard configs/data/*),$(data)/configs/data)
	$(call put,$(wildcard configs/paper/*),$(data)/configs/paper)
	$(call put,$(wildcard configs/paper-small/*),$(data)/configs/paper-small)
	$(call put,$(wildcard configs/slurm/*),$(data)/configs/slurm)
	$(call put,LICENSE,$(data))
	install -m 644 completions/gsos.bash '$(bash_completions)/gsos'
	install -m 644 completions/_gsos '$(zsh_completions)/_gsos'

uninstall:## removes what install put there
	rm -f '$(bin)/gsos' '$(man1)/gsos.1' '$(bash_completions)/gsos' '$(zsh_completions)/_gsos'
	rm -rf '$(data)'

clean:## removes what was built; results stay
	rm -rf build build-asan build-tsan build-clang build-fuzz gsos

help:## this list
	@echo 'gsos: make TARGET'
	@sed -n 's/^\([a-z-]*\):[^#=]*## *\(.*\)/  \1|\2/p' Makefile tests/gpu/gpu.mk tests/fuzz/fuzz.mk | \
	  while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done
	@echo 'Variables: CC CFLAGS LDFLAGS PREFIX DESTDIR, WERROR=1 (a warning is an error), BUILD (folder, build)'
