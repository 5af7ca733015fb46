# Programs that run on a GPU, and what is carried to a machine that has one (tools/gpu_check.sh).
#
# The tests and the benchmarks of the CUDA trainer and the Gaussian process, which tests/cudacpu
# runs on the CPU, are linked once more, with CUDA's own runtime and nvcc's kernels; -DREAL_GPU
# leaves out what only the harness can do (tests/cudacpu/real_gpu.h).  They are built wherever there
# is nvcc, with or without a GPU.
GPU_SOURCES  := $(filter-out %_checked.c,$(CUDACPU_BENCH:%=tests/bench/%.c) tests/unit/cuda/test_cohort.c \
                  $(call sources,tests,test_kernels*.c))
GPU_TESTS    := $(addprefix $(BUILD)/gpu/,$(basename $(notdir $(GPU_SOURCES))))
GPU_PROGRAMS := $(BUILD)/gpu/gsos $(GPU_TESTS)
# Libraries are looked for beside the program first, also those that libraries need, whatever the
# environment says.
GPU_RPATH    := -Wl,-rpath,'$$ORIGIN/../lib',--disable-new-dtags

.PHONY: gpu-tests bundle
ifdef CUDA
GPU_OBJECTS := $(GPU_SOURCES:tests/%.c=$(BUILD)/real-gpu/%.o)
OBJECTS += $(GPU_OBJECTS)
$(GPU_OBJECTS): | $(BUILD)/have-test

$(BUILD)/real-gpu/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) -DREAL_GPU $(CPPFLAGS) $(CUDA_HEADERS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gpu/gsos: $(MAIN) $(BUILD)/libgsos.a $(BUILD)/link
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(GPU_RPATH) -o $@ $(filter %.o %.a,$^) $(LIBS) $(LDLIBS)

# The tests and benchmarks are one program (tests/gpu/programs.c).
GPU_RENAMED := $(GPU_TESTS:$(BUILD)/gpu/%=$(BUILD)/real-gpu/renamed/%.o)
$(foreach object,$(GPU_OBJECTS),$(eval $(BUILD)/real-gpu/renamed/$(notdir $(object)): $(object)))
$(GPU_RENAMED):
	@mkdir -p $(@D)
	objcopy --redefine-sym main=main_of_$(basename $(@F)) $< $@
$(BUILD)/real-gpu/programs.o: tests/gpu/programs.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -D'PROGRAMS=$(GPU_TESTS:$(BUILD)/gpu/%=P(%))' $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/gpu/programs: $(BUILD)/real-gpu/programs.o $(GPU_RENAMED) $(BUILD)/tests/bench/rows.o $(BUILD)/libgsos.a $(BUILD)/link
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(GPU_RPATH) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(LDLIBS) -lcmocka
$(GPU_TESTS): $(BUILD)/gpu/programs
	@ln -sf programs $@

# What writes down the ranges that a profiler would show (tests/gpu/test_ranges.sh).
$(BUILD)/gpu/nvtx_recorder.so: tests/gpu/nvtx/recorder.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CUDA_HEADERS) $(CFLAGS) -fPIC -shared -o $@ $<
GPU_PROGRAMS += $(BUILD)/gpu/nvtx_recorder.so

ifeq ($(VARIANT),)
tests: $(GPU_PROGRAMS)
endif

# What the tests need is asked for first, before minutes go into the rest.
gpu-tests: $(BUILD)/have-test $(GPU_PROGRAMS)## builds what tools/gpu_check.sh runs on a GPU (needs nvcc, no GPU)

bundle: $(BUILD)/have-test $(GPU_PROGRAMS)## packs all of it for a GPU machine without internet or compiler
	sh tools/make_bundle.sh $(BUILD)
else
gpu-tests bundle:
	@echo 'make $@: needs nvcc (none on the PATH or under /usr/local/cuda; NVCC=/path/to/nvcc names another)' >&2; exit 1
endif
