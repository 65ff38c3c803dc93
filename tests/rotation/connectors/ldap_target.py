"""A slapd of the tests' own as a target, with what a test needs to prepare and see there."""

import base64
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

from rotation.connectors.base import Login, validated
from rotation.connectors.contract import random_password, until
from rotation.connectors.dial import Deadline
from rotation.connectors.ldap import Ldap
from rotation.connectors.ldap_session import SUCCESS, Server, Session
from tests.rotation.connectors import documented, needs
from tests.rotation.connectors.tls import self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT: Final = PATIENCE
SUFFIX: Final = "dc=example,dc=org"
ADMIN: Final = f"cn=cerby,{SUFFIX}"
PEOPLE: Final = f"ou=people,{SUFFIX}"
_CONFIG: Final = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype (1.2.840.113556.1.4.90 NAME 'unicodePwd' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40
  EQUALITY octetStringMatch SINGLE-VALUE)
objectclass (1.2.840.113556.1.5.9 NAME 'standIn' SUP top AUXILIARY MAY unicodePwd)
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {home}/slapd.pid
argsfile {home}/slapd.args
TLSCertificateFile {pem}
TLSCertificateKeyFile {pem}
TLSCACertificateFile {pem}
{options}
database mdb
suffix "{suffix}"
directory {home}/data
rootdn "cn=root,{suffix}"
rootpw {rootpw}
{rights}
access to attrs=unicodePwd
  by dn.exact="{admin}" write
  by self write
access to *
  by self read
overlay ppolicy
ppolicy_default "cn=default,{suffix}"
{lock}
"""
_ENTRIES: Final = """
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {people}
objectClass: organizationalUnit
ou: people

dn: cn=default,{suffix}
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdCheckQuality: 2
pwdMinLength: 8

dn: {admin}
objectClass: device
objectClass: simpleSecurityObject
cn: cerby
userPassword: {password}
"""


class LdapSession:
    """A person's bound connection."""

    def __init__(self, target: "LdapTarget", name: str, password: Secret) -> None:
        self._name = name
        self._session = Session(Server(target.host, target.port, "none"), Deadline(600))
        assert self._session.bind(name, password.reveal()).code == SUCCESS

    def is_alive(self) -> bool:
        reply, found = self._session.search(self._name, attributes=("cn",))
        return reply.code == SUCCESS and bool(found)

    def close(self) -> None:
        self._session.close()


@dataclass
class LdapTarget:
    """See `contract.Target`. `admin` is bound by the password policy, `root` is the server's rootdn and is not."""

    home: Path
    admin: Login
    root: Login
    port: int
    tls_port: int
    host: str = "127.0.0.1"
    rights: list[str] = field(default_factory=lambda: documented.block("ldap"))
    """What the directory lets the admin do, and everybody with their own password."""
    kind = Ldap
    change_marker = b"1.3.6.1.4.1.4203.1.11.1"
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {
            "host": "ldap://x", "port": 70000, "tls": "perhaps", "directory": "novell", "bind_as": "uid=ana",
        }
    )  # fmt: skip
    made: list[str] = field(default_factory=list)

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port, "tls": "none", "bind_as": f"uid={{username}},{PEOPLE}"}

    def connector(self, username: str, *, timeout: float = TIMEOUT, **settings: Any) -> Ldap:
        given = {**self.settings(self.host, self.port), **settings}
        return Ldap(validated(Ldap, given), username, timeout=timeout)

    def make_login(self, password: Secret, *lines: str) -> str:
        name = f"app-{secrets.token_hex(4)}"
        self.make_login_named(name, password, *lines)
        return name

    def make_login_named(self, username: str, password: Secret, *lines: str) -> None:
        encoded = base64.b64encode(username.encode()).decode()
        self.add(self.name(username), "objectClass: inetOrgPerson", "objectClass: standIn", f"uid:: {encoded}",
                 "cn: App", "sn: App", f"userPassword: {password.reveal()}", *lines)  # fmt: skip
        self.made.append(self.name(username))

    def name(self, username: str) -> str:
        """Its DN, with every character as two digits that could need it."""
        plain = "".join(each if each.isalnum() or each in "-_" else f"\\{ord(each):02x}" for each in username)
        return f"uid={plain},{PEOPLE}"

    def lets_in(self, username: str, password: Secret) -> bool:
        """What the reference implementation's own client is answered."""
        path = needs.program("ldapwhoami", package="ldap-utils")
        address = f"ldap://{self.host}:{self.port}"
        command = [path, "-x", "-H", address, "-D", self.name(username), "-w", password.reveal()]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def policy(self, *lines: str) -> str:
        """A further password policy, as a line for an entry."""
        name = f"cn=policy-{secrets.token_hex(4)},{SUFFIX}"
        self.add(name, "objectClass: device", "objectClass: pwdPolicy", "pwdAttribute: userPassword", *lines)
        self.made.append(name)
        return f"pwdPolicySubentry: {name}"

    def add(self, name: str, *lines: str) -> None:
        """As the rootdn, with the reference implementation's own client."""
        self._client("ldapadd", stdin="\n".join((f"dn: {name}", *lines)) + "\n")

    def modify(self, name: str, *lines: str) -> None:
        """`lines` as in LDIF, such as "replace: pwdReset"."""
        self._client("ldapmodify", "-e", "relax", stdin="\n".join((f"dn: {name}", "changetype: modify", *lines)) + "\n")

    def read(self, name: str, attribute: str) -> list[str]:
        found = self._client("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", name, "-s", "base", attribute)
        return [line.partition(": ")[2] for line in found.splitlines() if line.startswith(f"{attribute}:")]

    def drop_logins(self) -> None:
        while self.made:
            self._client("ldapdelete", self.made.pop())

    def open_session(self, username: str, password: Secret) -> LdapSession:
        return LdapSession(self, self.name(username), password)

    def recorded(self, act: Callable[[], None]) -> str:
        """Everything but the dump of each packet, which shows what any LDAP server is sent."""
        log = self.home / "slapd.log"
        start = log.stat().st_size
        act()
        return log.read_bytes()[start:].decode(errors="replace")

    def _client(self, program: str, *words: str, stdin: str = "") -> str:
        path = needs.program(program, package="ldap-utils")
        done = subprocess.run(
            [path, "-x", "-H", f"ldap://{self.host}:{self.port}", "-D", self.root.username,
             "-w", self.root.password.reveal(), *words],
            input=stdin, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (program, words, done.stderr)
        return done.stdout


@contextmanager
def server(*options: str, is_lock_told: bool = True, rights: list[str] | None = None) -> Iterator[LdapTarget]:
    """A slapd with a password policy; `options` are lines of its configuration, `rights` other ones than those that the
    documentation asks for. As root it runs as nobody.
    """
    home = Path(tempfile.mkdtemp(prefix="cerby-slapd-"))
    admin, root = Login(ADMIN, random_password()), Login(f"cn=root,{SUFFIX}", random_password())
    target = LdapTarget(home, admin, root, needs.free_port(), needs.free_port())
    target.rights = target.rights if rights is None else rights
    try:
        _lay_out(target, options, is_lock_told)
        with _running(target):
            yield target
    finally:
        rmtree(home, ignore_errors=True)


def _lay_out(target: LdapTarget, options: tuple[str, ...], is_lock_told: bool) -> None:
    home = target.home
    (home / "data").mkdir()
    config = _CONFIG.format(
        home=home, pem=self_signed(home, "localhost"), suffix=SUFFIX, admin=ADMIN, options="\n".join(options),
        rootpw=target.root.password.reveal(), lock="ppolicy_use_lockout" if is_lock_told else "",
        rights="\n".join(target.rights),
    )  # fmt: skip
    entries = _ENTRIES.format(suffix=SUFFIX, people=PEOPLE, admin=ADMIN, password=target.admin.password.reveal())
    (home / "slapd.conf").write_text(config)
    (home / "entries.ldif").write_text(entries)
    if os.geteuid() == 0:
        subprocess.run([needs.program("chown", package="coreutils"), "-R", "nobody", str(home)], check=True)
    loaded = _as_nobody("slapadd", "-f", str(home / "slapd.conf"), "-l", str(home / "entries.ldif"))
    subprocess.run(loaded, check=True, capture_output=True)


@contextmanager
def _running(target: LdapTarget) -> Iterator[None]:
    addresses = f"ldap://{target.host}:{target.port} ldaps://{target.host}:{target.tls_port}"
    levels = "trace,args,conns,filter,config,ACL,stats,stats2,parse"
    command = _as_nobody("slapd", "-f", str(target.home / "slapd.conf"), "-h", addresses, "-d", levels)
    with (target.home / "slapd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        ports = (target.port, target.tls_port)  # it says “slapd starting” before it listens
        assert until(lambda: process.poll() is not None or all(_listens(target.host, port) for port in ports))
        assert process.poll() is None, (target.home / "slapd.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _listens(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=TIMEOUT):
        return True
    return False


def _as_nobody(name: str, *words: str) -> list[str]:
    """A server's program, which ends with us, and without our rights."""
    drop = ("--reuid", "nobody", "--regid", "nogroup", "--clear-groups") if os.geteuid() == 0 else ()
    setpriv = needs.program("setpriv", package="util-linux")
    return [setpriv, "--pdeathsig", "KILL", *drop, needs.program(name, package="slapd"), *words]
