# CUDA on the CPU: tests that run .cu files without a GPU (tests/cudacpu/cudacpu.h says what that
# is).
#
# A test test_NAME.c that is listed in CUDACPU_TESTS is linked with the harness and with all .cu
# files, those of the project and those of the harness's own tests, compiled by the C++ compiler.
# One that is listed in CUDACPU_CHECKED gets the .cu files whose every access is looked at; these
# are left out in the builds with a sanitizer.
CUDACPU_BENCH   := bench_cohort bench_gp bench_sampler
CUDACPU_TESTS   := $(CUDACPU_BENCH) test_cohort test_cudacpu_device test_cudacpu_runtime test_device_memory test_kernels test_kernels_gp \
                     test_kernels_gp_sampler test_kernels_gp_search test_kernels_order test_kernels_space test_kernels_training test_lbfgs test_roofline bench_cohorts bench_cudacpu
CUDACPU_CHECKED := test_cohort_checked test_cudacpu_checked test_kernels_checked test_kernels_gp_checked test_kernels_gp_sampler_checked test_lbfgs_checked \
                     bench_cudacpu_checked

# Kernels are looked at by AddressSanitizer in their own tests; what trains whole networks with them
# has them without it, three times as fast: there it looks at the host's code.
CUDACPU_TRAINING := $(CUDACPU_BENCH) bench_cohorts bench_cudacpu test_cohort test_device_memory test_kernels_gp_sampler test_roofline

# The C++ compiler that goes with CC, unless one is given.
ifeq ($(origin CXX),default)
CXX := $(patsubst cc,c++,$(subst gcc,g++,$(subst clang,clang++,$(CC))))
endif
# Kernels count on FMA in hardware; sums and products are never contracted by the compiler, only by
# fmaf.
CUDACPU_ARCH := $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),$(shell grep -q avx2 /proc/cpuinfo && echo -march=x86-64-v3))
# An access that ends a function stays a call, so that a report finds its line.
CXXFLAGS_ALL  = -std=c++17 $(OPT) $(WARN) -pthread -fno-strict-aliasing -ffp-contract=off -fno-exceptions \
                -fno-optimize-sibling-calls $(CUDACPU_ARCH)
CUDACPU_CPP   = -D_GNU_SOURCE -DCUDACPU -I. -Itests/cudacpu/include
# Kernels are to be fast, but where nothing is: at -O0 who builds is after what the compiler says.
at_least = $(if $(filter -O0,$(OPT)),-O0,$(1))
# A fiber's switches are beyond ThreadSanitizer, so kernels are compiled there as without it.

# Sources of the program that are others where there is CUDA are compiled once more, against the
# harness's runtime.
CUDACPU_HOST  := $(patsubst %.c,$(BUILD)/cudacpu/%.o,$(shell grep -lsE '^#ifn?def GSOS_CUDA$$' $(HOST_SOURCES) $(RUN_SOURCES)))
CUDACPU_CU    := $(wildcard kernels/*.cu tests/cudacpu/selftest/*.cu tests/unit/kernels/*.cu)
CUDACPU_FAST  := $(patsubst %.cu,$(PLAIN)/cudacpu/%.o,$(CUDACPU_CU))
CUDACPU_PLAIN := $(if $(findstring address,$(VARIANT)),$(CUDACPU_FAST:$(PLAIN)/%.o=$(BUILD)/%.asan.o),$(CUDACPU_FAST))
CUDACPU_CHECK := $(patsubst %.cu,$(BUILD)/cudacpu/%.checked.o,$(CUDACPU_CU))
CUDACPU_RUN   := $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard tests/cudacpu/runtime/*.cpp tests/cudacpu/selftest/*.cpp))
CUDACPU_TOOLKIT := $(firstword $(wildcard $(patsubst %/bin/nvcc,%/include,$(realpath $(NVCC))) /usr/local/cuda/include))
CUDACPU_ALL   := $(CUDACPU_HOST) $(CUDACPU_RUN) $(CUDACPU_FAST) $(filter-out $(CUDACPU_FAST),$(CUDACPU_PLAIN)) $(CUDACPU_CHECK) \
                   $(addprefix $(BUILD)/tests/cudacpu/checked/,checked.o shadow.o unchecked.o)
OBJECTS       += $(CUDACPU_ALL)
# nvcc must take the same sources, where there is one.
ifeq ($(VARIANT),)
CUDACPU_NVCC  := $(if $(NVCC),$(patsubst %.cu,$(BUILD)/%.o,$(filter tests/%,$(CUDACPU_CU))))
OBJECTS       += $(CUDACPU_NVCC)
tests: $(CUDACPU_NVCC)
endif
ifneq ($(VARIANT),)
TESTS := $(filter-out $(CUDACPU_CHECKED:%=$(BUILD)/tests/%),$(TESTS))
BENCH := $(filter-out $(CUDACPU_CHECKED:%=$(BUILD)/tests/%),$(BENCH))
endif

# gcc and clang name the switches differently that leave out what the harness does not use.  clang
# does not look at accesses of more than 16 bytes, so it must not make any.
CUDACPU_TSAN := -fsanitize=thread -fsanitize=alignment $(if $(findstring clang,$(CXX)),-mllvm -tsan-instrument-func-entry-exit=0 \
  -mllvm -tsan-instrument-read-before-write=1 -fno-vectorize -fno-slp-vectorize,--param=tsan-instrument-func-entry-exit=0 -ftls-model=local-exec)

$(BUILD)/cudacpu/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -DGSOS_CUDA -DCUDACPU -Itests/cudacpu/include $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/cudacpu/%.o: %.cu
	@mkdir -p $(@D)
	$(CXX) -x c++ $(CUDACPU_CPP) -include cuda_runtime.h $(CXXFLAGS_ALL) $(call at_least,-O3) -MMD -MP -c -o $@ $<
$(BUILD)/cudacpu/%.asan.o: %.cu
	@mkdir -p $(@D)
	$(CXX) -x c++ $(CUDACPU_CPP) -include cuda_runtime.h $(CXXFLAGS_ALL) $(call at_least,-O3) $(VARIANT) -MMD -MP -c -o $@ $<
# What a compiler fills and copies by the C library (clang even 16 bytes) is looked at by other
# names.
$(BUILD)/cudacpu/%.checked.o: %.cu
	@mkdir -p $(@D)
	$(CXX) -x c++ $(CUDACPU_CPP) -DCUDACPU_CHECKED -include cuda_runtime.h $(CXXFLAGS_ALL) $(call at_least,-O2) $(CUDACPU_TSAN) \
	  -MMD -MP -c -o $@ $<
	@objcopy $(foreach name,memset memcpy memmove,--redefine-sym $(name)=__tsan_$(name)) $@

# Fibers, and what is called on them or leaves them, are never compiled with a sanitizer.
$(BUILD)/tests/cudacpu/%.o: tests/cudacpu/%.cpp
	@mkdir -p $(@D)
	$(CXX) $(CUDACPU_CPP) $(CXXFLAGS_ALL) $(call at_least,-O2) $(CUDACPU_SANITIZER) -MMD -MP -c -o $@ $<
$(filter-out %/block.o %/fault.o %/fiber.o %/warp.o,$(CUDACPU_RUN)): CUDACPU_SANITIZER = $(VARIANT)
$(BUILD)/tests/cudacpu/runtime/warp.o: CUDACPU_SANITIZER = -O3
ifneq ($(wildcard $(CUDACPU_TOOLKIT)/curand_kernel.h),)
$(BUILD)/tests/cudacpu/selftest/real_curand.o: CUDACPU_CPP = -DREAL_CURAND -I. -isystem $(CUDACPU_TOOLKIT)
endif

CUDACPU_PROGRAMS := $(addprefix $(BUILD)/tests/,$(CUDACPU_TESTS) $(CUDACPU_CHECKED))
$(filter $(addprefix %/,$(notdir $(CUDACPU_PROGRAMS:=.o))),$(TEST_OBJECTS)): private override CPPFLAGS += -Itests/cudacpu/include
$(CUDACPU_PROGRAMS): private LDLIBS += -lstdc++
$(CUDACPU_TESTS:%=$(BUILD)/tests/%): $(CUDACPU_HOST) $(CUDACPU_RUN) $(BUILD)/tests/cudacpu/checked/unchecked.o
$(patsubst %,$(BUILD)/tests/%,$(filter-out $(CUDACPU_TRAINING),$(CUDACPU_TESTS))): $(CUDACPU_PLAIN)
$(CUDACPU_TRAINING:%=$(BUILD)/tests/%): $(CUDACPU_FAST)
$(CUDACPU_CHECKED:%=$(BUILD)/tests/%): $(CUDACPU_HOST) $(CUDACPU_RUN) $(CUDACPU_CHECK) \
  $(addprefix $(BUILD)/tests/cudacpu/checked/,checked.o shadow.o)

# The whole program on the harness's devices, for tests from outside.
$(BUILD)/gsos-cudacpu: $(MAIN) $(CUDACPU_HOST) $(CUDACPU_RUN) $(CUDACPU_FAST) $(BUILD)/tests/cudacpu/checked/unchecked.o \
  $(BUILD)/libgsos.a $(BUILD)/link
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(LDLIBS) -lstdc++
tests: $(BUILD)/gsos-cudacpu $(CUDACPU_BENCH:%=$(BUILD)/tests/%)

# A step's floor on a GPU.  Tile counts come from the kernels' sources, so that the harness's
# objects serve where there is no nvcc.
$(BUILD)/tools/roofline: $(BUILD)/tools/roofline.o $(CUDACPU_HOST) $(CUDACPU_RUN) $(CUDACPU_FAST) \
  $(BUILD)/tests/cudacpu/checked/unchecked.o $(BUILD)/libgsos.a $(BUILD)/link
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(LDLIBS) -lstdc++
OBJECTS += $(BUILD)/tools/roofline.o

# What a build with a sanitizer takes from this one (PLAIN).
plain-objects: $(KERNELS) $(CUDACPU_FAST)
