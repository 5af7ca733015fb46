# Fuzzers: programs that give a reader arbitrary bytes and look whether it minds
# (tests/fuzz/fuzz.h).  They are built by clang, whose libFuzzer makes the bytes, under
# AddressSanitizer and UndefinedBehaviorSanitizer.
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS      := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SOURCES))
FUZZ_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(FUZZ_SOURCES))
OBJECTS      += $(FUZZ_OBJECTS)
FUZZ         := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
SECONDS_EACH ?= 60# make fuzz: how long each fuzzer runs

# The trainer's loops read no file, and under a sanitizer clang works at them for minutes.
ifneq ($(findstring fuzzer,$(VARIANT)),)
$(BUILD)/host/cpu/cpu_loops%.o: private override VARIANT :=
endif

$(foreach source,$(FUZZ_SOURCES),$(eval \
  $(BUILD)/fuzz/$(basename $(notdir $(source))): $(source:%.c=$(BUILD)/%.o)))
# Readers are host/'s, but for what ranks tell each other.
$(BUILD)/fuzz/libread.a: $(HOST) $(PROTO) $(BUILD)/sched/boxes/messages.o $(BUILD)/link
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) qcs $@ $(filter %.o,$^)
$(FUZZERS): $(BUILD)/fuzz/libread.a $(BUILD)/link
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(LDLIBS)

.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS)

# FUZZERS_RUN='fuzz_idx fuzz_png': these alone.
fuzz:## gives each reader of files arbitrary bytes for SECONDS_EACH seconds (60); needs clang
	$(MAKE) CC=clang NVCC= BUILD=build-fuzz VARIANT='$(FUZZ)' fuzzers
	sh tests/fuzz/run.sh build-fuzz $(SECONDS_EACH) $(FUZZERS_RUN)
