-- Numbers that somebody has looked at: ported ones with their routing number, and such that are known not to be ported.
-- The primary key is the index that calls are looked up by. Both SQLite and PostgreSQL take this.
CREATE TABLE ported (
    number  TEXT NOT NULL PRIMARY KEY,  -- with country code, without +: 493012345
    rn      TEXT,                       -- global routing number: +49199123; NULL when the number is not ported
    carrier TEXT,                       -- whose routing number it is, for people
    CHECK (number <> '' AND number NOT LIKE '+%'),
    CHECK (rn IS NULL OR rn LIKE '+_%')
);
