# The loops of the Gaussian process, compiled once more for each instruction set of x86-64 (host/gp_loops_find.c picks one when it
# runs).  -fno-math-errno: a square root is an instruction, not a call; -fno-trapping-math: both sides of a choice may be computed.
GP_LOOPS := -O3 -fno-math-errno -fno-trapping-math
$(BUILD)/host/gp_loops.o: OPT += $(GP_LOOPS)
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
HOST += $(BUILD)/host/gp_loops.avx2.o $(BUILD)/host/gp_loops.avx512.o
$(BUILD)/host/gp_loops.avx2.o: host/gp_loops.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(GP_LOOPS) -mavx2 -mfma -MMD -MP -c -o $@ $<
$(BUILD)/host/gp_loops.avx512.o: host/gp_loops.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(GP_LOOPS) -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512 \
	  -MMD -MP -c -o $@ $<
endif
