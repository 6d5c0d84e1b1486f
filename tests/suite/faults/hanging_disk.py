"""Runs a command on a disk in memory that hangs: writes to some of its files get no answer for a while.

    unshare -Urm python3 hanging_disk.py FOLDER ENDING AFTER SECONDS COMMAND...

Writes to files of that ENDING hang from AFTER bytes on, for so many SECONDS in all (0: nothing hangs). Exits as the command
does, with what is in FOLDER on standard output behind a line `-- NAME` for each file, or with 77 if the host has no FUSE
for this user.
"""
import ctypes, os, select, struct, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
ATTRIBUTES = '<QQQQQQIIIIIIIIII'
files, names, open_until = {1: None}, {}, {}


def attributes(node):
    data = files[node]
    mode = 0o40755 if data is None else 0o100644
    size = 0 if data is None else len(data)
    return struct.pack(ATTRIBUTES, node, size, (size + 511) // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def entry(node):
    return struct.pack('<QQQQII', node, 0, 0, 0, 0, 0) + attributes(node)


def name_of(payload):
    return payload.split(b'\0')[0]


def answer(operation, node, payload):
    """The answer to a request: an errno, or bytes."""
    if operation == 26:  # INIT
        return struct.pack('<IIIIHHIIHHIIHH20x', 7, 31, 65536, 0x20, 12, 9, 131072, 1, 32, 0, 0, 0, 0, 0)
    if operation == 1:  # LOOKUP
        return entry(names[name_of(payload)]) if name_of(payload) in names else 2
    if operation == 3:  # GETATTR
        return struct.pack('<QII', 0, 0, 0) + attributes(node)
    if operation == 4:  # SETATTR
        valid, _, _, size = struct.unpack_from('<IIQQ', payload)
        if valid & 8 and files[node] is not None:
            files[node] = (files[node] + bytes(size))[:size]
        return struct.pack('<QII', 0, 0, 0) + attributes(node)
    if operation in (14, 27):  # OPEN, OPENDIR
        return struct.pack('<QII', 0, 1 if operation == 14 else 0, 0)
    if operation == 35:  # CREATE
        node = max(files) + 1
        files[node], names[name_of(payload[16:])] = bytearray(), node
        return entry(node) + struct.pack('<QII', 0, 1, 0)
    if operation == 15:  # READ
        _, offset, size = struct.unpack_from('<QQI', payload)
        return bytes(files[node][offset:offset + size])
    if operation == 16:  # WRITE
        _, offset, size = struct.unpack_from('<QQI', payload)
        data = files[node]
        data.extend(bytes(max(0, offset - len(data))))
        data[offset:offset + size] = payload[40:40 + size]
        return struct.pack('<II', size, 0)
    if operation == 10:  # UNLINK
        return b'' if names.pop(name_of(payload), None) else 2
    if operation in (12, 45):  # RENAME, RENAME2
        old, new = payload[8 if operation == 12 else 16:].split(b'\0')[:2]
        names[new] = names.pop(old)
        return b''
    if operation == 13:  # LINK
        target, = struct.unpack_from('<Q', payload)
        new = name_of(payload[8:])
        if new in names:
            return 17
        names[new] = target
        return entry(target)
    if operation in (18, 20, 25, 29, 34):  # RELEASE, FSYNC, FLUSH, RELEASEDIR, ACCESS
        return b''
    if operation == 28:  # READDIR
        return b''
    if operation == 17:  # STATFS
        return struct.pack('<QQQQQIIII24x', 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 255, 4096, 0)
    return 38


def main():
    folder, ending, after, seconds = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3]), float(sys.argv[4])
    try:
        disk = os.open('/dev/fuse', os.O_RDWR | os.O_CLOEXEC)
        options = 'fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other' % disk
        assert libc.mount(b'fuse', folder.encode(), b'fuse', 6, options.encode()) == 0, os.strerror(ctypes.get_errno())
    except (OSError, AssertionError) as e:
        print(e, file=sys.stderr)
        sys.exit(77)
    command, held, until = None, [], None
    while command is None or command.poll() is None:
        if command is None:
            command = subprocess.Popen(sys.argv[5:])
        if select.select([disk], [], [], 0.02)[0]:
            request = os.read(disk, 1 << 18)
            length, operation, unique, node = struct.unpack_from('<IIQQ', request)
            payload = request[40:length]
            hangs = operation == 16 and any(n.endswith(ending) and names[n] == node for n in names)
            hangs = hangs and len(files[node]) >= after and seconds
            if hangs and until is None:
                until = time.monotonic() + seconds
            if operation in (2, 36, 42):  # FORGET, INTERRUPT and BATCH_FORGET want no answer.
                continue
            held.append((until if hangs else 0, operation, unique, node, payload))
        for one in [one for one in held if one[0] <= time.monotonic()]:
            held.remove(one)
            said = answer(*one[1:2], *one[3:])
            error, said = (-said, b'') if isinstance(said, int) else (0, said)
            os.write(disk, struct.pack('<IiQ', 16 + len(said), error, one[2]) + said)
    sys.stdout.flush()
    for name in sorted(names):
        sys.stdout.buffer.write(b'\n-- ' + name + b'\n' + bytes(files[names[name]]))
    sys.stdout.flush()
    os._exit(command.returncode if command.returncode >= 0 else 128)


main()
