"""Runs a program on a terminal of its own, as a script on standard input says, and reports as JSON.

The script: a list of steps, each one of
  {"wait": TEXT}          until the terminal has shown the text (after what was waited for before)
  {"type": HEX}           keys
  {"resize": [R, C]}      the size of the window
  {"signal": NUMBER}      to the program
  {"mode": NAME}          remember whether the terminal echoes and makes lines
The report: {"status", "text" (hexadecimal), "modes": {NAME: [echo, lines, signals, output]}}.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time

steps = json.load(sys.stdin)
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 99, 0, 0))
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.close(master)
    os.execvp(sys.argv[1], sys.argv[1:])

text = b''
seen = 0
modes = {}


def take(timeout):
    global text
    if select.select([master], [], [], timeout)[0]:
        try:
            text += os.read(master, 65536)
        except OSError:
            pass


def mode():
    settings = termios.tcgetattr(slave)
    return [bool(settings[3] & flag) for flag in (termios.ECHO, termios.ICANON, termios.ISIG)] + [bool(settings[1] & termios.OPOST)]


deadline = time.time() + 30
for step in steps:
    if 'wait' in step:
        wanted = step['wait'].encode()
        while wanted not in text[seen:]:
            take(0.1)
            if time.time() > deadline:
                os.kill(pid, signal.SIGKILL)
                sys.exit('waited in vain for %r: %r' % (wanted, text))
        seen = text.index(wanted, seen) + len(wanted)
    elif 'type' in step:
        os.write(master, bytes.fromhex(step['type']))
    elif 'resize' in step:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', *step['resize'], 0, 0))
    elif 'signal' in step:
        os.kill(pid, step['signal'])
    elif 'mode' in step:
        modes[step['mode']] = mode()
while True:
    take(0.05)
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    if time.time() > deadline:
        os.kill(pid, signal.SIGKILL)
take(0.1)
modes['end'] = mode()
code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
json.dump({'status': code, 'text': text.hex(), 'modes': modes}, sys.stdout)
