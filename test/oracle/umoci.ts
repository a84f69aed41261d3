/** Images for whoever compares with umoci: one that GNU tar makes here, and real ones. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

// A folder beside the checkout that may hold real images; see its README for what they are.
const images = join(import.meta.dirname, '../../../shared/images');

/** Of the folder with real images: the tags that they get, and what skopeo calls them. */
export const realImages = {
  busybox: 'oci:busybox:busybox:1.38.0-musl',
  gzip: 'oci-archive:test-oci-gzip-image.tar',
  estargz: 'oci-archive:test-oci-estargz-image.tar',
  uncompressed: 'oci-archive:test-oci-uncompressed-image.tar',
  docker: 'docker-archive:test-docker-image.tar',
} as const;
export type RealImage = keyof typeof realImages;

/** The reason to skip a test of that image, if it is not here. */
export function findImageObstacle(tag: RealImage): string | false {
  return existsSync(join(images, realImages[tag].split(':')[1]!)) ? false : 'the real images are not here';
}

/** Copies a real image into the OCI layout `directory`/layout, under its tag. */
export function copyRealImage(tag: RealImage, directory: string): void {
  const script = `skopeo copy --insecure-policy -q ${realImages[tag]} "oci:$0/layout:${tag}"`;
  run(images, script, directory);
}

/** A shell script that must succeed; what it has to complain of is in the error. */
export function run(cwd: string, script: string, ...words: string[]): void {
  execFileSync('sh', ['-ec', script, ...words], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A script that makes the image `built` in the OCI layout `layout`, which is there: two layers with whatever a layer can say. */
export const build = `
mkdir -p one/bin one/etc/deep/er one/var/lib one/keep
cp /bin/ls /bin/cat one/bin
ln one/bin/ls one/bin/dir
ln -s ls one/bin/vdir
ln -s ../etc one/var/etc
mknod one/null c 1 3
mkfifo one/pipe
chmod 4711 one/bin/cat
chown 12:345 one/etc/deep
chmod 1777 one/keep
touch -d @1000000000.25 one/keep one/bin/cat one/bin
setfattr -n user.note -v hello one/bin/ls
for name in a b c d; do echo $name > one/etc/deep/$name; echo $name > one/var/lib/$name; done
tar --xattrs --format=pax -C one -cf one.tar .
mkdir -p two/etc/deep two/var/lib two/bin
echo new > two/etc/deep/new
echo A > two/etc/deep/a
: > two/etc/deep/.wh.b
: > two/etc/deep/.wh.er
: > two/var/lib/.wh..wh..opq
echo only > two/var/lib/only
: > two/.wh.keep
: > two/bin/.wh.ls
tar --format=pax -C two -cf two.tar .
umoci new --image layout:built
umoci raw add-layer --image layout:built one.tar
umoci raw add-layer --image layout:built two.tar
`;
