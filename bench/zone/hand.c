/*
 * The least that boots into a command: what QEMU started by hand has for init. Loads the modules, puts an overlay of memory
 * on the image, and runs one command in it, whose output goes to the serial console. With `hold` on the kernel's command
 * line it waits for a byte before the command, so that the machine can be saved there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void load_modules(void)
{
	char path[256];
	FILE *list = fopen("/modules", "r");
	while (list && fgets(path, sizeof path, list)) {
		path[strcspn(path, "\n")] = 0;
		int file = open(path, O_RDONLY);
		syscall(SYS_finit_module, file, "", 0);
		close(file);
	}
}

static int must_hold(void)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "r");
	return file && fgets(line, sizeof line, file) && strstr(line, " hold");
}

int main(void)
{
	char byte;
	struct termios raw;
	int console = open("/dev/console", O_RDWR);
	for (int end = 0; end < 3; end++)
		dup2(console, end);
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("dev", "/dev", "devtmpfs", 0, NULL))
		return 1;
	load_modules();
	if (mount("/dev/vda", "/lower", "squashfs", MS_RDONLY, NULL) || mount("rw", "/rw", "tmpfs", 0, NULL) ||
		mkdir("/rw/upper", 0755) || mkdir("/rw/work", 0755) ||
		mount("overlay", "/root", "overlay", 0, "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work"))
		return 1;
	if (must_hold()) {
		tcgetattr(0, &raw);
		cfmakeraw(&raw);
		tcsetattr(0, TCSANOW, &raw);
		printf("holding\n");
		fflush(stdout);
		while (read(0, &byte, 1) != 1)
			;
	}
	pid_t pid = fork();
	if (pid == 0) {
		if (chroot("/root") == 0 && chdir("/") == 0)
			execl("/bin/busybox", "busybox", "echo", "@marker", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	reboot(RB_AUTOBOOT);
}
