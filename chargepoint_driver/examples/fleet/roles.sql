-- Roles and database of a fleet, made once by the user postgres, in a folder with the files of the
-- passwords (one line each):  psql --file=roles.sql
\set ON_ERROR_STOP on
\set owner_password `cat owner-password`
\set node_password `cat postgres-password`
\set standby_password `cat standby-password`

-- Makes and changes the tables: `fleet migrate`.
CREATE ROLE chargepoint_owner LOGIN PASSWORD :'owner_password';
-- Nodes, `fleet status` and `fleet drain`: reads and writes rows, and no more.
CREATE ROLE chargepoint_node LOGIN PASSWORD :'node_password';
-- Standbys and base backups.
CREATE ROLE chargepoint_standby LOGIN REPLICATION PASSWORD :'standby_password';

CREATE DATABASE chargepoint OWNER chargepoint_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE chargepoint FROM PUBLIC;
GRANT CONNECT ON DATABASE chargepoint TO chargepoint_node;

\connect chargepoint
ALTER DEFAULT PRIVILEGES FOR ROLE chargepoint_owner
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO chargepoint_node;
ALTER DEFAULT PRIVILEGES FOR ROLE chargepoint_owner
    GRANT SELECT, USAGE, UPDATE ON SEQUENCES TO chargepoint_node;
