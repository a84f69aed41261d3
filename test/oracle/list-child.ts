/** Run by itself, where the one who runs the tests cannot look: prints the listing of a directory as JSON. */
import { listDisk } from '../disk.ts';

process.stdout.write(JSON.stringify(listDisk(process.argv[2]!)));
