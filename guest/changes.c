/*
 * What the workload has changed: the upper directory of the overlay, path by path, as ENTRY and DATA. It runs in a process of
 * its own. Nothing is looked up by a path of more than one name and no link is followed, so that a tree of any depth and any content can be read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "zone.h"

#define FRAME_HEADER 8
#define ATTRIBUTES_LIMIT 65536

static int frames;
static uint64_t count;
static struct buffer path, message;
static uint8_t block[FRAME_HEADER + FRAME_LIMIT];
static struct { uint64_t *inodes; size_t count, room; } seen; /* a table of hashes; 0 is no inode */

static void send_frame(const uint8_t *frame, size_t length)
{
	while (send(frames, frame, length, MSG_NOSIGNAL) != (ssize_t)length)
		if (errno != EINTR)
			_exit(1);
}

static void send_all(uint8_t type, const struct buffer *payload)
{
	const uint8_t *from = payload->bytes + payload->start;
	size_t left = buffer_length(payload), part;
	do {
		part = left > FRAME_LIMIT ? FRAME_LIMIT : left;
		frame_header(block, part < left ? MORE_FROM_GUEST : type, part);
		memcpy(block + FRAME_HEADER, from, part);
		send_frame(block, FRAME_HEADER + part);
		from += part;
	} while (left -= part);
}

static _Noreturn void give_up(const char *doing, int error)
{
	buffer_append(&path, "", 1);
	failed("commit", error, doing, (char *)path.bytes + path.start);
	message.start = message.end = 0;
	failure_fields(&message);
	send_all(FAIL, &message);
	_exit(1);
}

static void seen_insert(uint64_t inode)
{
	size_t at = inode * 0x9e3779b97f4a7c15u % seen.room;
	while (seen.inodes[at])
		at = (at + 1) % seen.room;
	seen.inodes[at] = inode;
}

/* Notes an inode. True: it was seen before. */
static bool seen_before(uint64_t inode)
{
	if (seen.room > 0) {
		size_t at = inode * 0x9e3779b97f4a7c15u % seen.room;
		for (; seen.inodes[at]; at = (at + 1) % seen.room)
			if (seen.inodes[at] == inode)
				return true;
	}
	if (seen.count * 2 >= seen.room) {
		uint64_t *old = seen.inodes;
		size_t room = seen.room;
		seen.room = room ? room * 2 : 256;
		seen.inodes = calloc(seen.room, sizeof *seen.inodes);
		if (!seen.inodes)
			give_up("no memory at", ENOMEM);
		for (size_t from = 0; from < room; from++)
			if (old[from])
				seen_insert(old[from]);
		free(old);
	}
	seen.count++;
	seen_insert(inode);
	return false;
}

static void add_attributes(const char *name)
{
	static char names[ATTRIBUTES_LIMIT], value[ATTRIBUTES_LIMIT];
	ssize_t length = llistxattr(name, names, sizeof names);
	if (length < 0 && errno != ENOTSUP)
		give_up("listing the attributes of", errno);
	for (char *at = names; length > 0 && at < names + length; at += strlen(at) + 1) {
		ssize_t size = lgetxattr(name, at, value, sizeof value);
		size_t prefix = strlen(at) + 1;
		if (size < 0)
			give_up("reading an attribute of", errno);
		if (strcmp(at, PLACEHOLDER) == 0)
			continue;
		uint8_t *field = buffer_space(&message, 5 + prefix + (size_t)size);
		field[0] = 12;
		put_number(field + 1, prefix + (size_t)size, 4);
		memcpy(field + 5, at, prefix);
		memcpy(field + 5 + prefix, value, (size_t)size);
		message.end += 5 + prefix + (size_t)size;
	}
}

static void add_target(const char *name, size_t size)
{
	char *target = malloc(size + 1);
	ssize_t length = target ? readlink(name, target, size + 1) : -1;
	if (length < 0)
		give_up("reading the link", errno);
	add_field(&message, 11, target, (size_t)length);
	free(target);
}

static void send_content(const char *name, uint64_t size)
{
	int file = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file < 0)
		give_up("opening", errno);
	while (size > 0) {
		ssize_t length = read(file, block + FRAME_HEADER, size < FRAME_LIMIT ? (size_t)size : FRAME_LIMIT);
		if (length <= 0)
			give_up("reading", length < 0 ? errno : 0);
		frame_header(block, DATA, (size_t)length);
		send_frame(block, FRAME_HEADER + (size_t)length);
		size -= (uint64_t)length;
	}
	close(file);
}

static void send_entry(const char *name, const struct stat *info)
{
	bool device = S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode);
	message.start = message.end = 0;
	add_field(&message, 1, path.bytes + path.start, buffer_length(&path));
	add_number_field(&message, 2, info->st_mode);
	add_number_field(&message, 3, info->st_uid);
	add_number_field(&message, 4, info->st_gid);
	add_number_field(&message, 5, (uint64_t)info->st_mtim.tv_sec);
	add_number_field(&message, 6, (uint64_t)info->st_mtim.tv_nsec);
	if (device)
		add_number_field(&message, 7, (uint64_t)major(info->st_rdev) << 32 | minor(info->st_rdev));
	add_number_field(&message, 8, info->st_ino);
	add_number_field(&message, 9, info->st_nlink);
	if (S_ISREG(info->st_mode))
		add_number_field(&message, 10, (uint64_t)info->st_size);
	if (S_ISLNK(info->st_mode))
		add_target(name, (size_t)info->st_size);
	add_attributes(name);
	send_all(ENTRY, &message);
	count++;
	if (S_ISREG(info->st_mode) && !(info->st_nlink > 1 && seen_before(info->st_ino)))
		send_content(name, (uint64_t)info->st_size);
}

static int compare(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static char **list_directory(int directory)
{
	size_t length = 0, room = 0;
	char **names = NULL;
	DIR *list = fdopendir(dup(directory));
	if (!list)
		give_up("reading the directory", errno);
	for (struct dirent *entry; (entry = readdir(list));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (length + 1 >= room)
			names = realloc(names, (room = room ? room * 2 : 64) * sizeof *names);
		if (!names || !(names[length++] = strdup(entry->d_name)))
			give_up("no memory at", ENOMEM);
	}
	closedir(list);
	if (!names)
		return calloc(1, sizeof *names);
	qsort(names, length, sizeof *names, compare);
	names[length] = NULL;
	return names;
}

static int open_directory(const char *name)
{
	int directory = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0 || fchdir(directory) != 0)
		give_up("opening the directory", errno);
	return directory;
}

/* Init makes places to mount on where an image has none. They are no change of the workload's, as long as nothing is in them. */
static bool is_placeholder(int parent, const char *name)
{
	struct stat info;
	char value[1];
	bool empty = true;
	if (lgetxattr(name, PLACEHOLDER, value, sizeof value) < 0 || lstat(name, &info) != 0)
		return false;
	if (!S_ISDIR(info.st_mode))
		return S_ISREG(info.st_mode) && info.st_size == 0;
	int directory = open_directory(name);
	char **names = list_directory(directory);
	for (char **at = names; *at; free(*at++))
		empty = empty && is_placeholder(directory, *at);
	free(names);
	close(directory);
	if (fchdir(parent) != 0)
		give_up("leaving the directory", errno);
	return empty;
}

static void visit(int parent, const char *name)
{
	struct stat info;
	size_t before = path.end;
	if (path.end > path.start)
		buffer_append(&path, "/", 1);
	buffer_append(&path, name, strcmp(name, ".") == 0 ? 0 : strlen(name));
	if (lstat(name, &info) != 0)
		give_up("looking at", errno);
	if (!is_placeholder(parent, name)) {
		send_entry(name, &info);
		if (S_ISDIR(info.st_mode)) {
			int directory = open_directory(name);
			char **names = list_directory(directory);
			for (char **at = names; *at; free(*at++))
				visit(directory, *at);
			free(names);
			close(directory);
			if (fchdir(parent) != 0)
				give_up("leaving the directory", errno);
		}
	}
	path.end = before;
}

_Noreturn void changes_send(int to)
{
	const struct rlimit files = { 524288, 524288 };
	uint8_t number[8];
	struct buffer payload = { .bytes = number, .end = sizeof number, .room = sizeof number };
	frames = to;
	setrlimit(RLIMIT_NOFILE, &files);
	int top = open("/rw/upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || fchdir(top) != 0)
		give_up("opening the upper directory", errno);
	visit(top, ".");
	put_number(number, count, 8);
	send_all(COMMITTED, &payload);
	_exit(0);
}
