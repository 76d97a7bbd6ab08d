# SPDX-License-Identifier: Apache-2.0
"""Cases of passwords that only their place gives away: files, connections, shell, SQL and prose."""

from collections.abc import Mapping

from node0.finetune.corpus.scoreboard.case import Case, Maker, case_of
from node0.finetune.corpus.scoreboard.draws import Draw

FILES = (
    "machine {h}\n  login {u}\n  password {v}\n",
    "machine {h} login {u} password {v}",
    "{h}:5432:app:{u}:{v}",
    "[pypi]\nusername = {u}\npassword = {v}\n",
    "[client]\nuser={u}\npassword={v}\nhost={h}\n",
    "define('DB_PASSWORD', '{v}');",
    'define( "DB_PASSWORD", "{v}" );',
    "spring.datasource.password={v}\nspring.datasource.url=x\n",
    "db:\n  user: {u}\n  password: {v}\n  port: 5432\n",
    'db:\n  user: {u}\n  password: "{v}"\n',
    '{"user": "{u}", "password": "{v}", "port": 5432}',
    '<add key="DbPassword" value="{v}" />',
    "DATABASE_PASSWORD={v}\nPORT=3000\n",
    "requirepass {v}\n",
    "smtp_pass = '{v}'\n",
    '"master_password": "{v}",\n"engine": "postgres",',
    "rabbitmq.default_pass = {v}",
    "PGPASSWORD={v} psql -h {h}",
    "ftp_password: {v}",
)
CONNECTIONS = (
    "postgres://«{u}:{v}»@{h}:5432/app",
    "mysql+pymysql://«{u}:{v}»@{h}/app?charset=utf8",
    "redis://«:{v}»@{h}:6379/0",
    "amqp://«{u}:{v}»@{h}/vhost",
    "mongodb+srv://«{u}:{v}»@{h}/app?retryWrites=true",
    "https://«{u}:{v}»@{h}/x.git",
    "«{u}:{v}»@tcp({h}:3306)/app",
    "jdbc:oracle:thin:«{u}/{v}»@{h}:1521/XE",
    "jdbc:postgresql://{h}/app?user={u}&password={v}",
    "Server={h};Database=app;User Id={u};Password={v};",
    "host={h} user={u} password={v} dbname=app",
    "DATABASE_URL=postgres://«{u}:{v}»@{h}/app",
    "ftp://«{u}:{v}»@{h}/pub",
    "smtps://«{u}:{v}»@{h}:465",
    "Data Source={h};UID={u};PWD={v};Encrypt=yes",
    "ldap://{h} -D cn={u} -w {v}",
)
SHELL = (
    "mysql -u {u} -p{v} app",
    "mysql -h {h} -u {u} --password={v}",
    "PGPASSWORD='{v}' psql -h {h}",
    "sshpass -p {v} ssh {u}@box",
    "sshpass -p '{v}' scp x {u}@box:",
    "curl -u {u}:{v} https://{h}/",
    "curl --user '{u}:{v}' https://{h}/",
    "redis-cli -a {v} ping",
    "echo {v} | sudo -S ls",
    "echo '{v}' | docker login -u {u} --password-stdin",
    "docker login -u {u} -p {v} {h}",
    "htpasswd -b file {u} {v}",
    "kubectl create secret generic x --from-literal=password={v}",
    "openssl enc -aes-256-cbc -pass pass:{v} -in x",
    "unzip -P {v} backup.zip",
    "7z x -p{v} backup.7z",
    "passwd --stdin <<< {v}",
    "gpg --batch --passphrase {v} -d x.gpg",
    "net use Z: \\\\box\\share {v} /user:{u}",
    'psql "password={v} user={u}"',
    "az login -u {u} -p {v}",
    "ansible-playbook x.yml -e ansible_password={v}",
    '$p = ConvertTo-SecureString "{v}" -AsPlainText -Force',
    "wget --user={u} --password={v} https://{h}/x",
    "mongosh --host {h} -u {u} -p {v}",
    "chpasswd <<< '{u}:{v}'",
    "smbclient //box/share -U {u}%{v}",
    "vault login {v}",
)
SQL = (
    "CREATE USER {u} WITH PASSWORD '{v}';",
    "ALTER USER {u} WITH ENCRYPTED PASSWORD '{v}';",
    "CREATE USER '{u}'@'%' IDENTIFIED BY '{v}';",
    "GRANT ALL ON app.* TO '{u}'@'%' IDENTIFIED BY '{v}';",
    "SET PASSWORD FOR '{u}'@'%' = PASSWORD('{v}');",
    "ALTER LOGIN {u} WITH PASSWORD = '{v}';",
    "CREATE LOGIN {u} WITH PASSWORD = N'{v}';",
    "ALTER ROLE {u} PASSWORD '{v}';",
    "INSERT INTO users (name, password) VALUES ('{u}', '{v}');",
    "UPDATE users SET password = '{v}' WHERE name = '{u}';",
    'create user {u} identified by "{v}";',
    "AUTH {v}",
    "CONFIG SET requirepass {v}",
    "CONNECT {u}/«{v}»@XE",
    "ATTACH 'x.db' AS x KEY '{v}';",
    "PRAGMA key = '{v}';",
    "SELECT * FROM users WHERE name = '{u}' AND password = '{v}';",
    "CREATE USER MAPPING FOR {u} SERVER s OPTIONS (user '{u}', password '{v}');",
)
PROSE = (
    "The password is {v}, please change it.",
    "My password is {v}.",
    "use the password {v} for the first login",
    "Password: {v}",
    "password for the box: {v}",
    'the passphrase is "{v}"',
    "You can log in as {u} with {v} as the password.",
    "I set the root password to {v} yesterday",
    "credentials: {u} / {v}",
    "login: {u}, pw: {v}",
    "the admin pwd was changed to {v}",
    "Enter password: {v}",
    "[sudo] password for {u}: {v}",
    "Das Passwort lautet {v}.",
    "Kennwort: {v}",
    "Le mot de passe est {v}",
    "Mot de passe : {v}",
    "La contraseña es {v}",
    "Contraseña: {v}",
    "La password è {v}",
    "A senha é {v}",
    "Senha: {v}",
    "Het wachtwoord is {v}",
    "Hasło: {v}",
    "Пароль: {v}",
    "пароль от базы {v}",
    "密码：{v}",
    "密码是 {v}",
    "パスワード：{v}",
    "パスワードは {v} です",
    "비밀번호: {v}",
    "Şifre: {v}",
)
TABLES: Mapping[str, tuple[str, ...]] = {
    "files": FILES,
    "connections": CONNECTIONS,
    "shell": SHELL,
    "SQL": SQL,
    "prose": PROSE,
}


def _maker(kind: str, templates: tuple[str, ...]) -> Maker:
    def make(draw: Draw) -> Case:
        template = draw.rng.choice(templates)
        return case_of(kind, template, draw.password(), u=draw.user(), h=draw.host())

    return make


CREDENTIALS: Mapping[str, Maker] = {kind: _maker(kind, templates) for kind, templates in TABLES.items()}
