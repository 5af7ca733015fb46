#!/usr/bin/env python3
"""What kernels are made of, as machine code says it: of this project's and of any others, by one measure.

    tools/kernel_counts.py [OPTION]... FILE|FOLDER...

prints as CSV a row for each kernel of the cubins (FILE.cubin, or those in a FOLDER).  Sources (FILE.cu, a FOLDER
without cubins) are compiled for sm_90 first, in their own folder, as `nvcc -O3 -std=c++17 -cubin` does.

    --nvcc PATH        nvcc (default: nvcc)
    --nvdisasm PATH    nvdisasm of the CUDA toolkit (default: nvdisasm)
    --refresh TABLE    writes the figures of the prototypes that TABLE names anew, from the FILEs and FOLDERs;
                       a prototype of another folder is called FOLDER/KERNEL
    --beside TABLE     prints the kernels as a table for people; one that has prototypes in TABLE before each of
                       them, with that of its loops which has as many products as the prototype's main loop

In TABLE a kernel and a prototype may each be one of their loops instead of the main one, "NAME [DMMA 2]": the second
in the order of the code that has DMMA; "NAME [DFMA 1: covariance]": the first that has eight DFMA and no DMMA, and,
for who reads it, what it is.

Columns:

    threads, registers, shared    of a block, of a thread, bytes of a block without dynamic shared memory
    local                         loads from and stores to local memory: registers that are spilt
    code                          bytes
    loop                          instructions of the main loop, one way round
    math                          of them HMMA, DMMA, FFMA, DFMA or FADD: products by tensor cores, multiply-adds, or
                                  sums; DMMA and DFMA are of FP64
    lds, ldg                      bytes that a thread loads from shared and from global memory, one way round
    fill, copied                  instructions of a loop that fills shared memory, and bytes that a thread copies, one
                                  way round; of several that which takes the most instructions for a byte

The main loop is the one which has the most of HMMA, else of DMMA, else of FFMA or of DFMA, else of FADD, else of
instructions, without the loops within it.  Loops are found as compilers find them (Aho, Lam, Sethi, Ullman, "Compilers", 2nd edition, 9.6): an
edge to a block that dominates its origin, with all that reaches the origin without passing that block.  Both sides
of a branch count: a loop with branches has more instructions than are executed.  A loop that fills is one with
asynchronous copies (LDGSTS) and without products; copies between products are in the main loop and its ldg.
"""
import argparse
import csv
import os
import re
import struct
import subprocess
import sys
import tempfile

MATH = ["HMMA", "DMMA", "FFMA", "DFMA", "FADD"]
FIGURES = ["threads", "registers", "shared", "local", "code", "loop", "math", "lds", "ldg", "fill", "copied"]


def stop(text):
    sys.exit("kernel_counts.py: " + text)


def run(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, text=True, **options)
    except OSError as e:
        stop(f"cannot run {command[0]}: {e.strerror}")
    if done.returncode:
        stop(f"{' '.join(command)}:\n{done.stderr.strip()}")
    return done.stdout


# ---- the file ---------------------------------------------------------------------------------------------------


def sections(path):
    """By name, of an ELF file of 64 bits: the bytes of each section, and its size in memory."""
    data = open(path, "rb").read()
    if data[:5] != b"\x7fELF\x02":
        stop(f"{path} is no cubin")
    at, = struct.unpack_from("<Q", data, 0x28)
    each, number, names = struct.unpack_from("<3H", data, 0x3A)
    heads = [struct.unpack_from("<IIQQQQIIQQ", data, at + i * each) for i in range(number)]
    return {text_at(data, heads[names][4] + h[0]): (data[h[4]:h[4] + h[5]], h[5]) for h in heads}


def text_at(data, at):
    return data[at:data.index(b"\0", at)].decode()


def attributes(info):
    """Number and data of each record of .nv.info: format, number, and two bytes that for format 4 are a length."""
    at = 0
    while at + 4 <= len(info):
        kind, number, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if kind == 4:
            yield number, info[at:at + size]
            at += size


MAX_THREADS, REGISTERS = 0x05, 0x2f  # EIATTR_...


def resources(path):
    """Of each kernel by its mangled name."""
    of, file = {}, sections(path)
    symbols, names = file[".symtab"][0], file[".strtab"][0]
    registers = {}
    for number, data in attributes(file[".nv.info"][0]):
        if number == REGISTERS:
            symbol, n = struct.unpack("<2I", data)
            registers[text_at(names, struct.unpack_from("<I", symbols, 24 * symbol)[0])] = n
    reserved = 1024 if ".nv.shared.reserved.0" in file else 0  # of every block, sm_90
    for name in (n[9:] for n in file if n.startswith(".nv.info.")):
        threads = [struct.unpack("<3I", d) for n, d in attributes(file[".nv.info." + name][0]) if n == MAX_THREADS]
        shared = file.get(".nv.shared." + name, (b"", reserved))[1] - reserved
        of[name] = {"threads": threads[0][0] * threads[0][1] * threads[0][2] if threads else "",
                    "registers": registers[name], "shared": shared, "code": len(file[".text." + name][0])}
    return of


# ---- the code ---------------------------------------------------------------------------------------------------


def functions(text):
    """Name, instructions and labels (name: number of the instruction behind it) of each."""
    name, code, labels = None, [], {}
    for line in text.splitlines():
        if m := re.match(r"\.text\.(\S+):", line):
            if name:
                yield name, code, labels
            name, code, labels = m.group(1), [], {}
        elif m := re.match(r"(\.L_x?_?\d+):", line):
            labels[m.group(1)] = len(code)
        elif m := re.search(r"/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line):
            code.append(m.group(1))
    if name:
        yield name, code, labels


def operation(instruction):
    return re.sub(r"^@!?U?P\w+\s+", "", instruction)


def ways(instruction, number, labels):
    """Instructions that may come after this one.  BRA.DIV is not taken: no warp has diverged that the figures are of."""
    op, aimed = operation(instruction), [labels[t] for t in re.findall(r"\.L_x?_?\d+", instruction) if t in labels]
    if op.startswith("EXIT") or op.startswith("RET"):
        return [number + 1] if op != instruction else []
    if op.startswith("BRA.DIV"):
        return [number + 1]
    if op.startswith(("BRA", "BRX", "JMP", "JMX")):
        always = op == instruction and re.match(r"(BRA|JMP)(\.U)? `", op) or op.startswith(("BRX", "JMX"))
        return aimed if always else aimed + [number + 1]
    return [number + 1]


def graph(code, labels):
    """Basic blocks: the first instruction of each, and the blocks behind each."""
    starts = {0}
    for i, instruction in enumerate(code):
        if operation(instruction).startswith(("BRA", "BRX", "JMP", "JMX", "EXIT", "RET")):
            starts.update(w for w in ways(instruction, i, labels))
            starts.add(i + 1)
    starts = sorted(s for s in starts if s < len(code))
    number = {s: b for b, s in enumerate(starts)}
    ends = starts[1:] + [len(code)]
    return list(zip(starts, ends)), [[number[w] for w in ways(code[e - 1], e - 1, labels) if w in number] for e in ends]


def loops(after):
    """The blocks of each loop that are in no loop within it."""
    before = [[] for _ in after]
    for b, behind in enumerate(after):
        for a in behind:
            before[a].append(b)
    reached, left = {0}, [0]
    while left:
        for a in after[left.pop()]:
            if a not in reached:
                reached.add(a)
                left.append(a)
    dominators = {b: set(reached) for b in reached}
    dominators[0] = {0}
    changed = True
    while changed:
        changed = False
        for b in sorted(reached - {0}):
            new = {b} | set.intersection(*(dominators[p] for p in before[b] if p in reached))
            changed |= new != dominators[b]
            dominators[b] = new
    found = {}
    for b in reached:
        for head in after[b]:
            if head not in dominators[b]:
                continue
            body, left = found.setdefault(head, {head}), [b]
            while left:
                x = left.pop()
                if x not in body:
                    body.add(x)
                    left += [p for p in before[x] if p in reached]
    return [body.difference(*(found[h] for h in found if h != head and h in body)) for head, body in found.items()]


def width(op):
    """Bytes of a load, by its name alone: an address may end in .64, too."""
    m = re.search(r"\.(U?8|S8|U16|S16|64|128)\b", op.split()[0])
    return {"8": 1, "U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}[m.group(1)] if m else 4


def count(code, labels):
    """The main loop's figures, and under "loops" those of all."""
    blocks, after = graph(code, labels)
    found = []
    for body in sorted(loops(after), key=min):
        ops = [operation(code[i]) for b in sorted(body) for i in range(*blocks[b])]
        of = {name: sum(op.startswith(name) for op in ops) for name in MATH}
        math = [of["HMMA"], of["DMMA"], max(of["FFMA"], of["DFMA"]), of["FADD"]]
        shared = sum(width(op) for op in ops if re.match(r"LDS[.\s]", op)) + 16 * sum(op.startswith("LDSM") for op in ops)
        found.append(((*math, len(ops)), {
            "loop": len(ops),
            "math": next((n for n in math if n), 0),
            "of": of,
            "lds": shared,
            "ldg": sum(width(op) for op in ops if op.startswith(("LDG.", "LDGSTS."))),
            "copied": sum(width(op) for op in ops if op.startswith("LDGSTS.")),
        }))
    main = max(found, key=lambda x: x[0])[1] if found else {"loop": 0, "math": 0, "lds": 0, "ldg": 0}
    fills = [f for _, f in found if f["copied"] and not any(f["of"][name] for name in ("HMMA", "DMMA", "FFMA"))]
    fill = max(fills, key=lambda f: f["loop"] / f["copied"], default={"loop": 0, "copied": 0})
    local = sum(operation(i).startswith(("LDL", "STL")) for i in code)
    return dict(main, local=local, fill=fill["loop"], copied=fill["copied"], loops=[figures for _, figures in found])


# ---- the tables -------------------------------------------------------------------------------------------------


def plain_names(mangled):
    """name<1, 2> without types, arguments and what the function returns."""
    text = run(["c++filt"], input="\n".join(mangled)).splitlines()
    for m, name in zip(mangled, text):
        name = re.sub(r"^void ", "", re.sub(r"\((int|bool|unsigned)\)", "", name).replace("(anonymous namespace)::", ""))
        depth = 0
        for i, c in enumerate(name):
            depth += (c == "<") - (c == ">")
            if c == "(" and not depth:
                name = name[:i]
                break
        yield m, name


def kernels(path, nvdisasm):
    of = resources(path)
    names = dict(plain_names(list(of)))
    for name, code, labels in functions(run([nvdisasm, "-c", path])):
        if name in of:
            yield names[name], dict(of[name], **count(code, labels))


def cubins(inputs, nvcc, work):
    """Each with the folder that it came from, for those of a folder."""
    for given in inputs:
        folder = os.path.basename(os.path.normpath(given)) if os.path.isdir(given) else ""
        files = [given]
        if folder:
            here = sorted(os.listdir(given))
            kind = ".cubin" if any(f.endswith(".cubin") for f in here) else ".cu"
            files = [os.path.join(given, f) for f in here if f.endswith(kind)]
            if not files:
                stop(f"{given} has neither cubins nor .cu files")
        for file in files:
            if not os.path.exists(file):
                stop(f"{file} does not exist")
            if not file.endswith((".cubin", ".cu")):
                stop(f"{file} is neither a .cubin nor a .cu file")
            if file.endswith(".cubin"):
                yield folder, file
                continue
            made = os.path.join(work, f"{len(os.listdir(work))}.cubin")
            run([nvcc, "-O3", "-std=c++17", "-gencode", "arch=compute_90,code=sm_90", "-cubin", "-o", made,
                 os.path.basename(file)], cwd=os.path.dirname(file) or ".")
            yield folder, made


def read_table(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(line for line in f if not line.startswith("#")))


LEAST = 8  # DFMA of a loop that is called by them


def place(name):
    """Name, kind and number of "NAME [KIND NUMBER: what it is]"; kind None: the main loop."""
    m = re.fullmatch(r"(.*) \[(DMMA|DFMA) (\d+)(?:: .*)?\]", name)
    return (m[1], m[2], int(m[3])) if m else (name, None, 0)


def one_loop(name, own):
    """The figures of a kernel with those of the loop that the name says."""
    _, kind, number = place(name)
    if not kind:
        return own
    of = [f for f in own["loops"] if f["of"]["DMMA"] and kind == "DMMA" or f["of"]["DFMA"] >= LEAST and
          not f["of"]["DMMA"] and kind == "DFMA"]
    if not 0 < number <= len(of):
        stop(f"{name}: there are {len(of)} such loops")
    return dict(own, **{k: of[number - 1][k] for k in ("loop", "lds", "ldg")}, math=of[number - 1]["of"][kind])


def refresh(path, found):
    comments = [line for line in open(path) if line.startswith("#")]
    rows, table = read_table(path), dict(found)
    for row in rows:
        name = place(row["prototype"])[0]
        if name not in table:
            stop(f"{path}: no kernel is called {name}; those there are: {', '.join(sorted(table))}")
        row.update(one_loop(row["prototype"], table[name]))
    with open(path, "w", newline="") as f:
        f.writelines(comments)
        out = csv.DictWriter(f, ["kernel", "prototype"] + FIGURES, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def ratio(a, b):
    return f"{int(a) / int(b):.2f}" if int(b) else ""


def like(own, prototype):
    """The kernel with that of its loops which the table says, or else which has as many products as the prototype's,
    where there is one."""
    if place(prototype["kernel"])[1]:
        return one_loop(prototype["kernel"], own)
    same = [f for f in own["loops"] if f["math"] == int(prototype["math"])]
    if not same:
        return own
    nearest = min(same, key=lambda f: sum(abs(f[k] - int(prototype[k])) for k in ("lds", "ldg", "loop")))
    return dict(own, **{k: nearest[k] for k in ("loop", "math", "lds", "ldg")})


def beside(path, found):
    rows = read_table(path)
    line = "{:<70} {:>7} {:>9} {:>6} {:>5} {:>6} {:>5} {:>5} {:>8} {:>5} {:>5} {:>5} {:>6} {:>8}"
    print(line.format("main loops and fills, sm_90", "threads", "registers", "shared", "local", "code", "loop", "math",
                      "per math", "lds", "ldg", "fill", "copied", "per byte"))
    for name, own in found:
        pairs = [(r, like(own, r)) for r in rows if place(r["kernel"])[0] == name]
        lines = [line for r, o in pairs for line in ((r["kernel"], o), ("  " + r["prototype"], r))]
        for title, row in lines or [(name, own)]:
            print(line.format(title, *(str(row[k]) for k in FIGURES[:7]), ratio(row["loop"], row["math"]),
                              *(str(row[k]) for k in FIGURES[7:]), ratio(row["fill"], row["copied"])))
    missing = {place(r["kernel"])[0] for r in rows} - {name for name, _ in found}
    if missing:
        stop(f"{path} names kernels that there are not: {', '.join(sorted(missing))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvcc", default="nvcc", metavar="PATH")
    parser.add_argument("--nvdisasm", default="nvdisasm", metavar="PATH")
    parser.add_argument("--refresh", metavar="TABLE")
    parser.add_argument("--beside", metavar="TABLE")
    parser.add_argument("inputs", nargs="+", metavar="FILE|FOLDER")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found = [((folder + "/" if folder else "") + name, figures)
                 for folder, file in cubins(args.inputs, args.nvcc, work)
                 for name, figures in sorted(kernels(file, args.nvdisasm))]
    if args.refresh:
        refresh(args.refresh, found)
    elif args.beside:
        beside(args.beside, found)
    else:
        out = csv.DictWriter(sys.stdout, ["kernel"] + FIGURES, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(dict(figures, kernel=name) for name, figures in found)


if __name__ == "__main__":
    main()
