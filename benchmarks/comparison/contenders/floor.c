/*
 * The least that any archiver driven by inotify(7) has to do, as the unit to count in: read the event, put the name
 * behind the others of its folder, and rename the oldest into its slot.
 *
 *     floor SLOT FOLDER PATTERN LIMIT [FOLDER PATTERN LIMIT ...]
 *
 * It does less than an archiver may: it takes SLOT for every file, where the others read each file's time; it looks once
 * when it starts, when nobody writes; it does not survive a full queue; it knows no playlist, retention, metric or error.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { FOLDERS = 64, ROOM = 256, MOST = 256 };

struct folder {
    const char *pattern;
    int limit, hot, slot; /* hot, slot: descriptors */
    unsigned first, count;
    char names[ROOM][MOST]; /* a ring */
};

static struct folder folders[FOLDERS];
static struct folder *by_watch[FOLDERS + 2];

static void came(struct folder *in, const char *name)
{
    if (fnmatch(in->pattern, name, 0) != 0)
        return;
    strcpy(in->names[(in->first + in->count++) % (ROOM)], name);
    if (in->count > (unsigned)in->limit) {
        const char *oldest = in->names[in->first++ % (ROOM)];
        in->count--;
        if (renameat2(in->hot, oldest, in->slot, oldest, RENAME_NOREPLACE) != 0)
            err(1, "%s", oldest);
    }
}

static void add(struct folder *in, const char *path, const char *slot, int queue)
{
    struct dirent **found;
    if ((in->hot = open(path, O_PATH | O_DIRECTORY)) < 0 || (in->slot = openat(in->hot, slot, O_PATH | O_DIRECTORY)) < 0)
        err(1, "%s/%s", path, slot);
    int watch = inotify_add_watch(queue, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
    int count = scandir(path, &found, NULL, alphasort);
    if (watch < 0 || watch >= FOLDERS + 2 || count < 0)
        err(1, "%s", path);
    by_watch[watch] = in;
    for (int place = 0; place < count; free(found[place++]))
        came(in, found[place]->d_name);
    free(found);
}

int main(int argc, char **argv)
{
    static char buffer[1 << 16] __attribute__((aligned(__alignof__(struct inotify_event))));
    int queue = inotify_init1(IN_CLOEXEC);
    if (queue < 0)
        err(1, "inotify");
    if (argc < 5 || (argc - 2) % 3 != 0 || (argc - 2) / 3 > FOLDERS)
        errx(2, "usage: floor SLOT FOLDER PATTERN LIMIT ...");
    for (int place = 0; place < (argc - 2) / 3; place++) {
        char **given = argv + 2 + 3 * place;
        folders[place].pattern = given[1];
        folders[place].limit = atoi(given[2]);
        if (folders[place].limit < 1 || folders[place].limit >= ROOM)
            errx(2, "a limit is 1 to %d", ROOM - 1);
        add(&folders[place], given[0], argv[1], queue);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        ssize_t length = read(queue, buffer, sizeof buffer);
        if (length <= 0)
            err(1, "read");
        for (char *at = buffer; at < buffer + length;) {
            struct inotify_event *event = (struct inotify_event *)at;
            if (event->mask & IN_Q_OVERFLOW)
                errx(1, "the queue was full");
            if (event->len && event->wd > 0 && by_watch[event->wd])
                came(by_watch[event->wd], event->name);
            at += sizeof *event + event->len;
        }
    }
}
