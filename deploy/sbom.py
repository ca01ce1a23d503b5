#!/usr/bin/env python3
"""Prints what is in the binary as CycloneDX 1.5 JSON: every crate with version, licence and checksum.

    deploy/sbom.py [target] > smtpd.cdx.json

Asks cargo, without a network, for what is linked into the binary for that target (that of this machine if
none is given). What only builds it (macros, build scripts) is there with the scope "excluded".
"""
import json
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else host()
    metadata = json.loads(cargo("metadata", "--format-version=1", "--filter-platform", target))
    packages = {(it["name"], it["version"]): it for it in metadata["packages"]}
    names = {it["id"]: (it["name"], it["version"]) for it in metadata["packages"]}
    needs = {names[it["id"]]: [names[dep["pkg"]] for dep in it["deps"]] for it in metadata["resolve"]["nodes"]}
    root = names[metadata["resolve"]["root"]]
    linked = tree(target, "normal,no-proc-macro") - {root}
    building = tree(target, "normal,build") - {root}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(it["name"], it["version"]): it.get("checksum") for it in lock["package"]}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": component(packages[root], None, "required"),
            "properties": [{"name": "target", "value": target}],
        },
        "components": [
            component(packages[it], checksums[it], "required" if it in linked else "excluded")
            for it in sorted(building)
        ],
        "dependencies": [
            {"ref": purl(it), "dependsOn": [purl(dep) for dep in sorted(needs[it]) if dep in building]}
            for it in [root, *sorted(building)]
        ],
    }
    print(json.dumps(document, indent=2))


def tree(target, edges):
    """Names and versions of what cargo builds for that target."""
    lines = cargo("tree", "--target", target, "--edges", edges, "--prefix=none", "--format={p}").splitlines()
    words = [line.split(" ") for line in lines if line]
    return {(name, version.removeprefix("v")) for name, version, *_ in words}


def component(package, checksum, scope):
    made = {
        "type": "application" if checksum is None else "library",
        "bom-ref": purl((package["name"], package["version"])),
        "name": package["name"],
        "version": package["version"],
        "scope": scope,
        "purl": purl((package["name"], package["version"])),
        "licenses": [{"expression": package["license"].replace("/", " OR ")}],
    }
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def purl(name_and_version):
    return "pkg:cargo/{}@{}".format(*name_and_version)


def host():
    lines = subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
    return next(line.split(": ")[1] for line in lines if line.startswith("host: "))


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked", "--offline"]
    return subprocess.check_output(command, cwd=ROOT, text=True)


main()
