"""Runs a server in one network namespace and a client in another, with a wire between them that this process is.

    unshare -Urnm python3 wire.py FAULTS SERVER -- CLIENT

FAULTS is JSON: `delay` (seconds one way), `loss` (share of packets), `largest` (bytes of a packet that gets through),
`vanishes` (packets after which nothing gets through), `ports` (local ports of the client),
`also` (further addresses of the client's interface), `hosts` (a file in place of /etc/hosts). SERVER and CLIENT are command lines; the server is at 10.9.0.2.
Exits as the client does, or with 77 if the host does not allow this.
"""
import ctypes, fcntl, heapq, json, os, random, select, struct, subprocess, sys, time

NEW_NETWORK = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def interface(name, address, peer):
    end = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    # IFF_TUN | IFF_NO_PI: whole IP packets and nothing around them.
    fcntl.ioctl(end, 0x400454CA, struct.pack('16sH22x', name.encode(), 0x1001))
    for words in (['addr', 'add', address, 'peer', peer, 'dev', name], ['link', 'set', name, 'mtu', '1500', 'up'],
                  ['link', 'set', 'lo', 'up']):
        subprocess.run(['ip', *words], check=True)
    return end


def carry(faults, ends, client):
    """Carries packets until the client has ended."""
    drawn, under_way, number = random.Random(7), [], 0
    while client.poll() is None:
        wait = 0.02 if not under_way else max(0, min(0.02, under_way[0][0] - time.monotonic()))
        for end in select.select(ends, [], [], wait)[0]:
            packet = os.read(end, 65536)
            lost = drawn.random() < faults.get('loss', 0) or len(packet) > faults.get('largest', 65536)
            number += 1
            if not lost and number <= faults.get('vanishes', number):
                heapq.heappush(under_way, (time.monotonic() + faults.get('delay', 0), number, ends[1 - ends.index(end)], packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(under_way)
            try:
                os.write(end, packet)
            except OSError:
                pass


def main():
    faults, words = json.loads(sys.argv[1]), sys.argv[2:]
    server, client = words[:words.index('--')], words[words.index('--') + 1:]
    here = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    try:
        ends = [interface('wire0', '10.9.0.1', '10.9.0.2')]
        for address in faults.get('also', []):
            subprocess.run(['ip', 'addr', 'add', address, 'dev', 'wire0', 'nodad'], check=True)
        if 'hosts' in faults:
            subprocess.run(['mount', '--bind', faults['hosts'], '/etc/hosts'], check=True)
        if 'ports' in faults:
            with open('/proc/sys/net/ipv4/ip_local_port_range', 'w') as range_of_ports:
                range_of_ports.write('40000 %d' % (39999 + faults['ports']))
        assert libc.unshare(NEW_NETWORK) == 0, 'unshare'
        ends.append(interface('wire1', '10.9.0.2', '10.9.0.1'))
    except (OSError, subprocess.CalledProcessError, AssertionError) as e:
        print(e, file=sys.stderr)
        sys.exit(77)
    with subprocess.Popen(server, stdout=subprocess.PIPE) as serving:
        serving.stdout.readline()
        assert libc.setns(here, NEW_NETWORK) == 0
        client = subprocess.Popen(client)
        carry(faults, ends, client)
        serving.kill()
    sys.exit(client.returncode)


main()
