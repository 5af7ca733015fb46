#!/bin/sh
# tools/kernel_counts.py: which loop of a kernel it finds, and what it says of it, of a cubin and a
# disassembly that are made here (the CUDA toolkit is not needed).  Run from the project's root.
# Not under a sanitizer: what is tested is shell and Python.
# Prints a line "ok NAME" or "not ok NAME" for each test, and ends with "N passed, N failed".
# shellcheck disable=SC2016 # conditions are evaluated later
set -u
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh

cases_begin kernel_counts
cubin=$work/one.cubin

# An ELF file with what the tool reads of a kernel: 40 registers, 64 × 2 × 1 threads, 1 KB of shared
# memory beside the reserved one, 7 × 16 bytes of code.
python3 - "$cubin" <<'END'
import struct, sys
kernel = b"_Z5blendILi3EEvPf"
parts = [(b"", b"", 0),
         (b".strtab", b"\0" + kernel + b"\0", None),
         (b".symtab", bytes(24) + struct.pack("<IBBHQQ", 1, 18, 0, 5, 0, 0), None),
         (b".nv.info", struct.pack("<BBHII", 4, 0x2f, 8, 1, 40), None),
         (b".nv.info." + kernel, struct.pack("<BBH", 2, 0x4c, 0) + struct.pack("<BBH3I", 4, 5, 12, 64, 2, 1), None),
         (b".text." + kernel, bytes(112), None),
         (b".nv.shared." + kernel, b"", 2048),
         (b".nv.shared.reserved.0", b"", 0)]
names = b"\0".join(name for name, _, _ in parts) + b"\0.shstrtab\0"
parts.append((b".shstrtab", names, None))
body, heads = b"", b""
for name, data, size in parts:
    at = names.index(b"\0" + name + b"\0") + 1 if name else 0
    heads += struct.pack("<IIQQQQIIQQ", at, 1, 0, 0, 64 + len(body), len(data) if size is None else size, 0, 0, 1, 0)
    body += data
head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 190, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64,
                                                       len(parts), len(parts) - 1)
open(sys.argv[1], "wb").write(head + body + heads)
END

# The loop from .L_x_1 to its branch back has another within it, which is not counted, and a piece
# out of line, which is; what a warp that has diverged goes through (BRA.DIV) is not, though it comes
# back.  .L_x_9 is jumped back to from behind the end without being a loop.  Of the two that copy that
# from .L_x_5 takes more instructions for a byte.
cat >"$work/nvdisasm" <<'END'
#!/bin/sh
cat <<'CODE'
.text._Z5blendILi3EEvPf:
        /*0000*/                   STL [R1], R2 ;
.L_x_1:
        /*0010*/                   LDS.128 R4, [R3] ;
        /*0020*/                   LDS R8, [R3+0x10] ;
        /*0030*/                   LDG.E.64 R10, desc[UR4][R12.64] ;
        /*0038*/                   BRA.DIV UR6, `(.L_x_10) ;
        /*0040*/                   FFMA R4, R4, R5, R8 ;
        /*0050*/              @!P1 BRA `(.L_x_7) ;
.L_x_3:
        /*0060*/                   FFMA R4, R4, R5, R8 ;
.L_x_2:
        /*0070*/                   IADD3 R9, R9, 0x1, RZ ;
        /*0080*/                   LDS.U8 R9, [R9] ;
        /*0090*/               @P2 BRA `(.L_x_2) ;
        /*00a0*/               @P0 BRA `(.L_x_1) ;
        /*00b0*/               @P4 BRA `(.L_x_8) ;
.L_x_9:
        /*00c0*/                   FFMA R4, R4, R5, R8 ;
        /*00d0*/                   FFMA R4, R4, R5, R8 ;
        /*00e0*/                   FFMA R4, R4, R5, R8 ;
        /*00f0*/                   EXIT ;
.L_x_7:
        /*0100*/                   IMAD R9, R9, R9, RZ ;
        /*0110*/                   BRA `(.L_x_3) ;
.L_x_8:
        /*0120*/                   IMAD R9, R9, R9, RZ ;
.L_x_5:
        /*0130*/                   LDGSTS.E.BYPASS.128 [R5], desc[UR4][R12.64] ;
        /*0140*/                   LDGSTS.E [R5+0x10], desc[UR4][R12.64+0x10] ;
        /*0150*/                   IADD3 R5, R5, R6, RZ ;
        /*0160*/               @P3 BRA `(.L_x_5) ;
.L_x_6:
        /*0170*/                   LDGSTS.E.BYPASS.128 [R5], desc[UR4][R12.64] ;
        /*0180*/               @P3 BRA `(.L_x_6) ;
        /*0190*/                   BRA `(.L_x_9) ;
.L_x_10:
        /*01a0*/                   WARPSYNC.COLLECTIVE R9, `(.L_x_11) ;
.L_x_11:
        /*01b0*/                   SHFL.BFLY P0, R9, R9, R10, R11 ;
        /*01c0*/                   BRA `(.L_x_3) ;
.L_x_4:
        /*01d0*/                   BRA `(.L_x_4);
CODE
END
chmod +x "$work/nvdisasm"
counts() { call python3 tools/kernel_counts.py --nvdisasm "$work/nvdisasm" "$@"; }

# Loops of FP64 in the order of the code: one with too few multiply-adds to be called by them, two
# with products by tensor cores, one with as many DFMA as it takes and one more.  By single precision
# the main loop would be another.
cat >"$work/nvdisasm64" <<'END'
#!/bin/sh
echo '.text._Z5blendILi3EEvPf:'
number=0
of() { # of COUNT INSTRUCTION...
  for _ in $(seq "$1"); do
    number=$((number + 16))
    printf '        /*%04x*/                   %s ;\n' $number "$2"
  done
}
loop() { # loop NAME, of what comes in
  echo ".L_x_$1:"
  cat
}
{ of 7 'DFMA R2, R2, R2, R4'; of 9 'FFMA R2, R2, R2, R4'; of 1 '@P0 BRA `(.L_x_1)'; } | loop 1
{ of 1 'LDS.128 R4, [R3]'; of 2 'DMMA.16x8x8 R4, R4, R8, R4'; of 9 'DFMA R2, R2, R2, R4'; of 1 '@P0 BRA `(.L_x_2)'; } | loop 2
{ of 1 'LDG.E.128 R4, desc[UR4][R6.64]'; of 4 'DMMA.16x8x8 R4, R4, R8, R4'; of 1 '@P0 BRA `(.L_x_3)'; } | loop 3
{ of 8 'DFMA R2, R2, R2, R4'; of 3 'DADD R2, R2, R4'; of 1 '@P0 BRA `(.L_x_4)'; } | loop 4
{ of 12 'DFMA R2, R2, R2, R4'; of 1 '@P0 BRA `(.L_x_5)'; } | loop 5
of 1 EXIT
END
chmod +x "$work/nvdisasm64"
counts64() { call python3 tools/kernel_counts.py --nvdisasm "$work/nvdisasm64" "$@"; }

counts "$cubin"
check resources_and_the_main_loop_are_counted all '[ $code -eq 0 ] && said "^blend<3>,128,40,1024,1,112,10,2,20,8,4,20$"'

printf '# kept\nkernel,prototype\nours,"trial/blend<3>"\n' >"$work/table.csv"
mkdir "$work/trial" && cp "$cubin" "$work/trial"
counts --refresh "$work/table.csv" "$work/trial"
call cat "$work/table.csv"
check a_table_of_prototypes_is_made_anew all 'said "^# kept$" && said "^ours,trial/blend<3>,128,40,1024,1,112,10,2,20,8,4,20$"'

sed 's/^ours/blend<3>/; s/,10,2,20,8,4,20$/,6,2,20,8,3,16/' "$work/table.csv" >"$work/pair.csv"
counts --beside "$work/pair.csv" "$cubin"
check a_kernel_stands_before_its_prototype all \
  '[ $code -eq 0 ] && said "^blend<3> .* 10 *2 *5.00 *20 *8 *4 *20 *0.20$" && said "^  trial/blend<3> .* 6 *2 *3.00 *20 *8 *3 *16 *0.19$"'

counts --beside "$work/table.csv" "$cubin"
check a_kernel_that_is_no_more_is_named all '[ $code -eq 1 ] && complained "kernels that there are not: ours"'
sed 's|trial/blend|trial/bland|' "$work/table.csv" >"$work/wrong.csv"
counts --refresh "$work/wrong.csv" "$work/trial"
check a_prototype_that_is_no_more_is_named all '[ $code -eq 1 ] && complained "no kernel is called trial/bland<3>"'
cp "$work/nvdisasm" "$work/text.cubin"
counts "$work/text.cubin"
check what_is_no_cubin_is_named all '[ $code -eq 1 ] && complained "text.cubin is no cubin"'
counts "$work/nvdisasm"
check a_file_of_another_kind_is_named all '[ $code -eq 1 ] && complained "neither a .cubin nor a .cu file"'
mkdir "$work/none"
counts "$work/none"
check an_empty_folder_is_named all '[ $code -eq 1 ] && complained "neither cubins nor .cu files"'
call python3 tools/kernel_counts.py --nvdisasm "$work/no" "$cubin"
check a_missing_disassembler_is_named all '[ $code -eq 1 ] && complained "cannot run $work/no"'

counts64 "$cubin"
check the_main_loop_in_fp64_has_the_most_products_by_tensor_cores all \
  '[ $code -eq 0 ] && said "^blend<3>,128,40,1024,0,112,6,4,0,16,0,0$"'

{
  echo kernel,prototype
  echo '"blend<3> [DMMA 1: what it is]",trial/blend<3> [DMMA 2]'
  echo 'blend<3> [DFMA 1],trial/blend<3> [DFMA 2: something]'
} >"$work/loops.csv"
counts64 --refresh "$work/loops.csv" "$work/trial"
call cat "$work/loops.csv"
check loops_are_called_by_their_kind_and_number all \
  'said "^blend<3> .DMMA 1: what it is.,trial/blend<3> .DMMA 2.,128,40,1024,0,112,6,4,0,16,0,0$" &&
   said "^blend<3> .DFMA 1.,trial/blend<3> .DFMA 2: something.,128,40,1024,0,112,13,12,0,0,0,0$"'
counts64 --beside "$work/loops.csv" "$cubin"
check a_loop_stands_before_its_prototypes all \
  '[ $code -eq 0 ] && said "^blend<3> .DMMA 1: what it is. .* 13 *2 *6.50 *16 *0 *0 *0 *$" &&
   said "^blend<3> .DFMA 1. .* 12 *8 *1.50 *0 *0 *0 *0 *$" && said "^  trial/blend<3> .DMMA 2. .* 6 *4 *1.50 "'
sed 's/DMMA 2/DMMA 3/' "$work/loops.csv" >"$work/few.csv"
counts64 --refresh "$work/few.csv" "$work/trial"
check a_loop_that_is_no_more_is_named all '[ $code -eq 1 ] && complained "blend<3> .DMMA 3.: there are 2 such loops"'

cases_end
