"""Runs a server and ranks in network namespaces of their own, with a network between them that this process is.

    unshare -Urnm python3 network.py FAULTS SERVER -- RANK

FAULTS is JSON: `delay` (seconds one way), `loss` (share of packets), `ahead` (for each rank, the seconds by which its
clock is ahead). SERVER and RANK are command lines; the server is at 10.9.0.1, and rank r at 10.9.0.(2 + r), started as
Open MPI does. At the end it prints, as JSON, how each rank ended (`codes`), and how many seconds after the first rank
each has sent its first request (`began`). Exits with 77 if the host does not allow this.
"""
import ctypes, fcntl, heapq, json, os, random, select, struct, subprocess, sys, time

NEW_NETWORK, NEW_TIME = 0x40000000, 0x80
libc = ctypes.CDLL(None, use_errno=True)


def node(number):
    """Makes a network namespace with one interface, and enters it."""
    assert libc.unshare(NEW_NETWORK) == 0, 'unshare'
    end = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    # IFF_TUN | IFF_NO_PI: whole IP packets and nothing around them.
    fcntl.ioctl(end, 0x400454CA, struct.pack('16sH22x', b'wire', 0x1001))
    for words in (['addr', 'add', '10.9.0.%d/24' % number, 'dev', 'wire'], ['link', 'set', 'wire', 'up'],
                  ['link', 'set', 'lo', 'up']):
        subprocess.run(['ip', *words], check=True)
    return end


def turn_clock(ahead):
    """Moves the clocks of the processes that are started from now on. Those of this one stay."""
    assert libc.unshare(NEW_TIME) == 0, 'time namespaces'
    with open('/proc/self/timens_offsets', 'w') as offsets:
        whole = int(ahead // 1)
        for clock in ('monotonic', 'boottime'):
            offsets.write('%s %d %d\n' % (clock, whole, (ahead - whole) * 1e9))


def carry(faults, ends, ranks, began):
    """Carries packets until all ranks have ended."""
    drawn, under_way, number = random.Random(7), [], 0
    while any(rank.poll() is None for rank in ranks):
        wait = 0.02 if not under_way else max(0, min(0.02, under_way[0][0] - time.monotonic()))
        for end in select.select(ends, [], [], wait)[0]:
            packet = os.read(end, 65536)
            # IPv4: the last byte of the address that it goes to.
            to = packet[19] - 1 if packet[0] >> 4 == 4 else len(ends)
            if b'POST /' in packet:
                began.setdefault(ends.index(end) - 1, time.monotonic())
            number += 1
            if to < len(ends) and drawn.random() >= faults.get('loss', 0):
                heapq.heappush(under_way, (time.monotonic() + faults.get('delay', 0), number, ends[to], packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(under_way)
            try:
                os.write(end, packet)
            except OSError:
                pass


def main():
    faults, words = json.loads(sys.argv[1]), sys.argv[2:]
    server, rank = words[:words.index('--')], words[words.index('--') + 1:]
    ahead, ranks, began = faults['ahead'], [], {}
    try:
        ends = [node(1)]
        serving = subprocess.Popen(server, stdout=subprocess.PIPE)
        serving.stdout.readline()
        for number, seconds in enumerate(ahead):
            ends.append(node(2 + number))
            turn_clock(seconds)
            env = dict(os.environ, OMPI_COMM_WORLD_RANK=str(number), OMPI_COMM_WORLD_SIZE=str(len(ahead)))
            ranks.append(subprocess.Popen(rank, env=env, stdout=subprocess.DEVNULL))
    except (OSError, subprocess.CalledProcessError, AssertionError) as e:
        print(e, file=sys.stderr)
        sys.exit(77)
    carry(faults, ends, ranks, began)
    serving.kill()
    first = min(began.values(), default=0)
    print(json.dumps({'codes': [rank.returncode for rank in ranks],
                      'began': {number: at - first for number, at in began.items()}}))


main()
