/*
 * The filesystem of the workload: the overlay of image and upper, and what is mounted over it. The overlay and volumes
 * are mounted in init's own mount namespace; the workload's gets them put together, and sees nothing else of init's. What is the
 * same for all zones of an image is put together before the zone is known (root_enter), the rest by RUN (root_furnish).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

static bool persistent;      /* a disk that lasts is mounted for writing */
static size_t volume_count; /* places in /volume */

/* Of the zone's process 1, which sees neither any more by a path: for files that are bound, and the machine's devices. */
static int files_directory = -1, devices_directory = -1;

/* Files that RUN will have content for, by their numbers: they are mounted before. */
#define EXPECTED_LIMIT 8
static struct mount_request expected[EXPECTED_LIMIT];
static size_t expected_count;

bool file_expect(char kind, const char *path)
{
	if (expected_count == EXPECTED_LIMIT || path[0] != '/')
		return false;
	struct mount_request file = { .kind = kind, .path = strdup(path), .content = "" };
	expected[expected_count++] = file;
	return file.path != NULL;
}

static size_t find_expected(const struct mount_request *request)
{
	size_t at = 0;
	while (at < expected_count && (request->kind != expected[at].kind || strcmp(request->path, expected[at].path) != 0))
		at++;
	return at;
}

#define HARMLESS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static void numbered(struct text *path, const char *start, size_t number)
{
	text_join(path, start, "", "");
	text_number(path, number);
}

/* The working directory is /proc/self/fd, in which each open file has its number for a name. */
bool mount_at(int target, const char *source, const char *type, unsigned long flags, const char *data)
{
	struct text path;
	numbered(&path, "", (size_t)target);
	return mount(source, text_of(&path), type, flags, data) == 0;
}

/* A saved state may hold pages of a disk as it was when another zone had it. */
bool flush_device(const char *path)
{
	int device = open(path, O_RDWR | O_CLOEXEC);
	if (device < 0)
		return false;
	ioctl(device, BLKFLSBUF, 0);
	close(device);
	return true;
}

/* The root of an overlay is that of its upper: a new one gets what the image's root has. */
static bool upper_directories(void)
{
	struct stat image;
	if (mkdir("/rw/work", 0755) != 0 && errno != EEXIST)
		return false;
	if (mkdir("/rw/upper", 0755) != 0)
		return errno == EEXIST;
	if (stat("/lower", &image) != 0 || chown("/rw/upper", image.st_uid, image.st_gid) != 0)
		return false;
	struct timespec times[2] = { image.st_mtim, image.st_mtim };
	return chmod("/rw/upper", image.st_mode & 07777) == 0 && utimensat(AT_FDCWD, "/rw/upper", times, 0) == 0;
}

static bool overlay_mount(const char *device)
{
	if (!upper_directories())
		return failed("upper", errno, "making directories in", *device ? device : "tmpfs");
	if (mount("overlay", "/root", "overlay", 0,
			"lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work,redirect_dir=off,metacopy=off,index=off") != 0)
		return failed("upper", errno, "mounting", "overlay");
	return true;
}

/* An upper in memory, as most zones have it: it can be made before the zone is known, and get its size then. */
bool upper_prepare(void)
{
	if (mount("upper", "/rw", "tmpfs", MS_NODEV, "mode=755") != 0)
		return failed("upper", errno, "mounting", "tmpfs");
	return overlay_mount("");
}

bool upper_mount(uint64_t bytes, const char *device)
{
	struct text size = { .length = 0 };
	if (!*device) {
		if (bytes == 0)
			return true;
		text_add(&size, "size=");
		text_number(&size, bytes);
		return mount("upper", "/rw", "tmpfs", MS_REMOUNT | MS_NODEV, text_of(&size)) == 0 ||
			failed("upper", errno, "mounting tmpfs with", text_of(&size));
	}
	if (umount2("/root", 0) != 0 || umount2("/rw", 0) != 0)
		return failed("upper", errno, "replacing tmpfs", "");
	if (!flush_device(device))
		return failed("upper", errno, "opening", device);
	if (mount(device, "/rw", "ext4", MS_NODEV, NULL) != 0)
		return failed("upper", errno, "mounting", device);
	persistent = true;
	return overlay_mount(device);
}

/* Init has the volumes as well, to let go of them in the end. */
bool volumes_mount(const struct root *root)
{
	struct text path;
	for (size_t at = 0; at < root->mount_count; at++) {
		const struct mount_request *request = &root->mounts[at];
		if (request->kind != 'v')
			continue;
		if (!request->read_only && !flush_device(request->device))
			return failed("volume", errno, "opening", request->device);
		mkdir("/volume", 0700);
		volume_count = at + 1;
		persistent |= !request->read_only;
		numbered(&path, "/volume/", at);
		mkdir(text_of(&path), 0700);
		if (mount(request->device, text_of(&path), request->type, MS_NODEV | (request->read_only ? MS_RDONLY : 0), NULL) != 0)
			return failed("volume", errno, "mounting", request->device);
	}
	return true;
}

/* Kinds of mounts that a workload expects, where the image has a place for them or not. */
static bool system_mounts(int root)
{
	static const struct { const char *path, *type, *data; unsigned long flags; bool optional; } list[] = {
		{ "/proc", "proc", NULL, HARMLESS, false },
		{ "/sys", "sysfs", NULL, HARMLESS, false },
		{ "/sys/fs/cgroup", "cgroup2", NULL, HARMLESS, true },
	};
	for (size_t at = 0; at < sizeof list / sizeof *list; at++) {
		int target = list[at].optional ? path_find(root, list[at].path) : path_make(root, list[at].path, PATH_DIRECTORY);
		if (target < 0 && list[at].optional)
			continue;
		if (target < 0 || (!mount_at(target, list[at].type, list[at].type, list[at].flags, list[at].data) && !list[at].optional))
			return failed("mount", errno, "mounting", list[at].path);
		close(target);
	}
	return true;
}

/* A file that is put over a path is written where only this process has a way to. */
static void name_file(struct text *path, size_t number)
{
	numbered(path, "", (size_t)files_directory);
	text_add(path, "/");
	text_number(path, number);
}

/* One that is not there is optional, and the image has nothing at its path. */
static bool fill_file(const struct mount_request *request, size_t number)
{
	struct text path;
	name_file(&path, number);
	int file = open(text_of(&path), O_WRONLY | O_CLOEXEC);
	if (file < 0 && errno == ENOENT && request->kind == 'o')
		return true;
	if (file < 0 || write(file, request->content, request->length) != (ssize_t)request->length)
		return failed("mount", errno, "writing the file of", request->path);
	close(file);
	return true;
}

static bool bind_file(int target, const struct mount_request *request, size_t number)
{
	struct text source;
	name_file(&source, number);
	int file = open(text_of(&source), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (file < 0 || write(file, request->content, request->length) != (ssize_t)request->length)
		return failed("mount", errno, "writing the file of", request->path);
	fchmod(file, 0644);
	close(file);
	return mount_at(target, text_of(&source), NULL, MS_BIND, NULL) || failed("mount", errno, "mounting", request->path);
}

/* So that the list of mounts shows the name of the device, where /proc is not covered by another mount. */
static bool mount_by_name(int target, const char *name, const char *type, unsigned long flags)
{
	struct text path;
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	numbered(&path, "/proc/self/fd/", (size_t)target);
	bool mounted = here >= 0 && fchdir(devices_directory) == 0 && mount(name, text_of(&path), type, flags, NULL) == 0;
	if (here >= 0 && fchdir(here) != 0)
		mounted = false;
	close(here);
	return mounted;
}

/* The same filesystem that init has mounted. One that can only be read is so there, whatever was asked for. */
static bool mount_volume(int target, const struct mount_request *request)
{
	struct text source;
	unsigned long flags = MS_NODEV | (request->read_only ? MS_RDONLY : 0);
	numbered(&source, "", (size_t)devices_directory);
	text_add(&source, request->device + strlen("/dev"));
	return mount_by_name(target, request->device + strlen("/dev/"), request->type, flags) ||
		mount_at(target, text_of(&source), request->type, flags, NULL) ||
		(errno == EBUSY && mount_at(target, text_of(&source), request->type, flags | MS_RDONLY, NULL)) ||
		failed("volume", errno, "mounting", request->path);
}

static bool mount_memory(int target, const struct mount_request *request)
{
	struct text data = { .length = 0 };
	unsigned long flags = 0;
	return (mount_options(request->content, &flags, &data) && mount_at(target, "tmpfs", "tmpfs", flags, text_of(&data))) ||
		failed("mount", errno, "mounting", request->path);
}

static bool requested_mount(int root, const struct mount_request *request, size_t number)
{
	int target = request->kind == 'o' ? path_find(root, request->path) :
		path_make(root, request->path, request->kind == 'f' ? PATH_FILE : PATH_DIRECTORY);
	if (target < 0)
		return request->kind == 'o' || failed("mount", errno, "making", request->path);
	bool mounted = request->kind == 't' ? mount_memory(target, request) :
		request->kind == 'v' ? mount_volume(target, request) : bind_file(target, request, number);
	close(target);
	return mounted;
}

static int directory(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool root_enter(void)
{
	int top = directory("/root"), own_files = directory("/proc/self/fd");
	devices_directory = directory("/dev");
	if (top < 0 || own_files < 0 || devices_directory < 0)
		return failed("mount", errno, "opening", "/root");
	mkdir("/file", 0700);
	if (mount("file", "/file", "tmpfs", HARMLESS, "mode=700,size=16m") != 0 || (files_directory = directory("/file")) < 0)
		return failed("mount", errno, "mounting", "tmpfs");
	if (fchdir(own_files) != 0)
		return failed("mount", errno, "opening", "/proc");
	if (!system_mounts(top) || !devices_make(top))
		return false;
	for (size_t at = 0; at < expected_count; at++)
		if (!requested_mount(top, &expected[at], at))
			return false;
	static const char *const own[] = { "/lower", "/rw", "/pts", "/sys", "/dev", "/proc" };
	for (size_t at = 0; at < sizeof own / sizeof *own; at++)
		umount2(own[at], MNT_DETACH);
	if (fchdir(top) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || fchdir(own_files) != 0)
		return failed("mount", errno, "entering the root", "");
	close(own_files);
	close(top);
	return true;
}

bool root_furnish(struct root *root)
{
	int top = directory("/");
	if (top < 0)
		return failed("mount", errno, "opening", "/");
	if (root->console && !console_make(root->terminal))
		return failed("mount", errno, "mounting", "/dev/console");
	for (size_t at = 0; at < root->mount_count; at++) {
		struct mount_request *request = &root->mounts[at];
		size_t number = find_expected(request);
		if (number < expected_count ? !fill_file(request, number) : !requested_mount(top, request, expected_count + at))
			return false;
	}
	if (root->read_only && root->directory)
		close(path_make(top, root->directory, PATH_DIRECTORY)); /* if it cannot be made, the workload finds that out */
	if (root->read_only && !mount_at(top, NULL, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
		return failed("mount", errno, "making the root read-only", "");
	close(top);
	return chdir("/") == 0 || failed("mount", errno, "entering the root", "");
}

/* Before the host is told of the end: what was written must be on the disks that last. */
void volumes_release(void)
{
	if (!persistent)
		return;
	for (size_t number = 0; number < volume_count; number++) {
		struct text path;
		numbered(&path, "/volume/", number);
		umount2(text_of(&path), 0);
	}
	umount2("/root", 0);
	umount2("/rw", 0);
	sync();
}
