//! Brands: how each environment's platform looks.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows;
use crate::brand::{Brand, Logo, Media};
use crate::colour::Colour;
use crate::error::Result;
use crate::id::{EnvironmentId, Id as _};

type Sql<T> = rusqlite::Result<T>;

/// Keeps a brand in place of the one before.
pub(super) fn put(db: &Connection, environment: EnvironmentId, brand: &Brand) -> Sql<()> {
    let mut sql = db.prepare_cached(
        "insert or replace into brand (environment, name, colour, media, logo) values (?1, ?2, ?3, ?4, ?5)",
    )?;
    let colour = brand.colour.map(|Colour([red, green, blue])| u32::from_be_bytes([0, red, green, blue]));
    let media = brand.logo.as_ref().map(|logo| i64::from(logo.media() as u8));
    sql.execute(params![environment.value(), brand.name, colour, media, brand.logo.as_ref().map(Logo::bytes)])
        .map(|_| ())
}

pub(super) fn of(db: &Connection, environment: EnvironmentId) -> Result<Brand> {
    let mut sql = db.prepare_cached("select name, colour, media, logo from brand where environment = ?1")?;
    let found = sql.query_row((environment.value(),), |row| {
        let colour = row.get::<_, Option<u32>>(1)?.map(|number| {
            let [_, red, green, blue] = number.to_be_bytes();
            Colour([red, green, blue])
        });
        let logo = match row.get::<_, Option<Vec<u8>>>(3)? {
            Some(bytes) => Some(Logo::kept(rows::number(row, 2, Media::from_number)?, bytes)),
            None => None,
        };
        Ok(Brand { name: row.get(0)?, colour, logo })
    });
    Ok(found.optional()?.unwrap_or_default())
}
