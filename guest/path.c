/*
 * Paths of the image and of the user, inside the workload's root. The kernel resolves them with the root as the limit, so
 * no symlink of an image leads anywhere else; what is missing is made one name at a time by the same rule.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

#define LINKS_LIMIT 16

static int open_inside(int root, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	return (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
}

/* What is mounted on the root itself would hide all of it: a symlink of an image may lead there. */
static int below(int root, int at)
{
	struct stat top, found;
	if (at >= 0 && fstat(root, &top) == 0 && fstat(at, &found) == 0 && top.st_dev == found.st_dev && top.st_ino == found.st_ino) {
		close(at);
		errno = EBUSY;
		return -1;
	}
	return at;
}

int path_find(int root, const char *path)
{
	return below(root, open_inside(root, path, O_PATH));
}

static int make_one(int parent, const char *name, enum path_kind kind)
{
	struct text made = { .length = 0 };
	int file = kind == PATH_DIRECTORY ? mkdirat(parent, name, 0755) :
		openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0)
		return -1;
	if (kind == PATH_FILE)
		close(file);
	text_number(&made, (uint64_t)parent); /* of the working directory: see root.c */
	text_add(&made, "/");
	text_add(&made, name);
	lsetxattr(text_of(&made), PLACEHOLDER, "1", 1, 0);
	return 0;
}

static int make_path(int root, const char *path, enum path_kind kind, int links)
{
	char done[PATH_MAX] = "", target[PATH_MAX];
	size_t length = 0;
	int at = open_inside(root, "", O_PATH | O_DIRECTORY);
	while (at >= 0 && *(path += strspn(path, "/"))) {
		size_t name_length = strcspn(path, "/"), parent_length = length;
		if (length + name_length + 2 > sizeof done) {
			close(at);
			errno = ENAMETOOLONG;
			return -1;
		}
		done[length++] = '/';
		memcpy(done + length, path, name_length);
		const char *name = done + length;
		done[length += name_length] = 0;
		path += name_length;
		bool last = path[strspn(path, "/")] == 0;
		int next = open_inside(root, done, O_PATH);
		if (next < 0 && errno == ENOENT) {
			ssize_t target_length = readlinkat(at, name, target, sizeof target - 1);
			if (target_length > 0) { /* a link to what is not there: what it means is made */
				char whole[PATH_MAX];
				target[target_length] = 0;
				done[target[0] == '/' ? 0 : parent_length] = 0;
				close(at);
				if (links == 0 || strlen(done) + (size_t)target_length + strlen(path) + 3 > sizeof whole) {
					errno = ELOOP;
					return -1;
				}
				strcpy(whole, done);
				strcat(whole, "/");
				strcat(whole, target);
				strcat(whole, "/");
				strcat(whole, path);
				return make_path(root, whole, kind, links - 1);
			}
			if (make_one(at, name, last ? kind : PATH_DIRECTORY) == 0)
				next = open_inside(root, done, O_PATH | O_NOFOLLOW);
		}
		int error = errno;
		close(at);
		errno = error;
		at = next;
	}
	return at;
}

int path_make(int root, const char *path, enum path_kind kind)
{
	int at = open_inside(root, path, O_PATH);
	return below(root, at >= 0 || errno != ENOENT ? at : make_path(root, path, kind, LINKS_LIMIT));
}
